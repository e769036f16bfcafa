"""Probabilities of choices: of one, of those inside an object, and of fields that are asked one by one."""
