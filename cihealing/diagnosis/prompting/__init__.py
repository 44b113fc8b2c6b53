"""What a model is asked, and what its answer must be: prompts from context, answers into patches.
Pure.

The model is treated as an attacker: logs and code are fenced as data, its answer is a value of a
closed schema, its citations are checked against the excerpt, its edits become a unified diff that
the guard and the proof still have to pass.
"""
