"""``python -m dianji``."""

from dianji.cli import main

if __name__ == "__main__":
    main()
