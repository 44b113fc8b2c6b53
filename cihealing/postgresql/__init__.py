"""PostgreSQL as Django has it, over a pool that does not make callers wait for a server that is not
there.
"""
