"""`python -m cnvlutin2`."""

from cnvlutin2.cli import main

if __name__ == "__main__":
    main()
