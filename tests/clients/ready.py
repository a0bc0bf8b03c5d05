"""Whether the service answers."""

import sys
import urllib.request

urllib.request.urlopen(sys.argv[1] + "/ready", timeout=5)
