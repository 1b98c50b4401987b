"""Enhance."""
