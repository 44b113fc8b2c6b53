"""Any CI that can sign a small JSON body."""
