"""The version, on the ground floor: whoever needs it imports no more than this."""

__version__ = "0.1.0"
