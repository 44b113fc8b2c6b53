"""The small CI on this machine that the demo's builds come from; they are posted as any other's."""
