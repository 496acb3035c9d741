"""The commands of `onestep`."""
