"""The manifest: what an instance holds at a named restore point, so that a restored copy can be held against it.

:mod:`~howdah.manifest.moment` finds a moment that every database and the restore point share,
:mod:`~howdah.manifest.facts` and :mod:`~howdah.manifest.digest` say what is there,
:mod:`~howdah.manifest.compare` what a copy has otherwise, and :mod:`~howdah.manifest.store` keeps manifests.
"""
