"""The restore: an instance, or a part of it, as it was.

:mod:`~howdah.restore.run` is the order of things, :mod:`~howdah.restore.target` where to go,
:mod:`~howdah.restore.reach` whether that can be reached, :mod:`~howdah.restore.volume` what lies in the data volume,
:mod:`~howdah.restore.server` the server stopped and started, :mod:`~howdah.restore.state` what a killed restore leaves
for the next one, :mod:`~howdah.restore.history` what is kept of each; :mod:`~howdah.restore.only` brings back a part,
beside what is there.
"""
