"""Trainings of the recipe `stylelipsync`: its face prior, its networks, and its adaptation to a person.

Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023).
"""
