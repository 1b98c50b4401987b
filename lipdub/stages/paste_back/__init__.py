"""Paste back."""
