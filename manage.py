#!/usr/bin/env python
"""`cihealing` from the checkout, for those who look for it here."""

from cihealing.__main__ import main

if __name__ == "__main__":
    main()
