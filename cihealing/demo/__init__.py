"""Six small repositories that break for real: made, built by the local CI, and their results posted
through the signed webhook.
"""
