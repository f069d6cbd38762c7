"""`python -m scorekit_studio`."""

import sys

from scorekit_studio.app import main

if __name__ == "__main__":
    sys.exit(main())
