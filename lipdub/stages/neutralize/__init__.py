"""Neutralize."""
