"""How the service talks HTTP to other sides: which addresses it may ask, how it asks, and how it
reads what comes packed.
"""
