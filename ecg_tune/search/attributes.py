"""What a search writes on its study about its data and settings."""

from __future__ import annotations

from ecg_tune.config import SearchSettings, to_dict
from ecg_tune.data.prepared.dataset import PreparedData
from ecg_tune.search.stopping.schedulers import SCHEDULERS
from ecg_tune.storage import open_storage
from ecg_tune.study.attributes import StudyAttributes


def study_attributes(data: PreparedData, settings: SearchSettings) -> StudyAttributes:
    """Gather a study's facts from its data and settings."""
    return StudyAttributes(
        data_fingerprint=data.fingerprint,
        data_path=data.location,
        split=data.manifest["split"],
        leads=tuple(data.leads),
        images=data.image_shape or (),
        class_names=tuple(data.class_names),
        n_records={"train": len(data.train), "validation": len(data.validation)},
        synthetic=data.synthetic,
        limited=data.limited,
        metric=settings.metric,
        minimise=tuple(settings.minimise),
        profile=settings.profile,
        families=tuple(settings.families),
        max_epochs=settings.epochs,
        space=settings.rules,
        space_version=settings.space_version,
        memory_gb=settings.memory_gb,
        rungs=tuple(SCHEDULERS[settings.scheduler](settings).marks),
        scheduler=settings.scheduler,
        sampler=settings.sampler,
        seed=settings.seed,
        settings=to_dict(settings),
        checkpoints=str(open_storage(settings.checkpoints)) if settings.checkpoints else None,
    )
