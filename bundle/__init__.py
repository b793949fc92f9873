"""Packs wheels, project and artefacts for a machine without a network; imports no sibling."""
