"""What runs on the guest's side of the wall: the launcher (a fork server), each sandbox's process 1, the step inside.

These modules run in other processes than the rest of Pileus, perhaps under another Python: they import nothing from
outside this package but the standard library.
"""
