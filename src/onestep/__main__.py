"""`python -m onestep`, which is `onestep`."""

from onestep.cli import main

main()
