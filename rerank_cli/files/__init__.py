"""Bytes and the disk: inputs with their places, outputs that a kill does not harm."""
