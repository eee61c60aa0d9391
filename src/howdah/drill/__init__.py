"""The drill: proof that the last backup brings back this data, and how fast.

:mod:`~howdah.drill.run` is the order of things, :mod:`~howdah.drill.point` where the restore must arrive,
:mod:`~howdah.drill.sandbox` the throw-away container, :mod:`~howdah.drill.checks` what is asked of the copy, and
:mod:`~howdah.drill.history` what is kept of every drill.
"""
