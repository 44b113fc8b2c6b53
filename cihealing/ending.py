"""That this process was asked to end. Whatever streams or waits watches it, or it holds the end
up.
"""

from __future__ import annotations

import threading

stopping = threading.Event()
