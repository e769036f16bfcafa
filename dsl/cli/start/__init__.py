"""The first commands: the installation looked at, the demo on a real model, and a project to start from."""
