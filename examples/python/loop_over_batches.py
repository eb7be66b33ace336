"""Loop over signals, images and both of prepared data, as for a training loop of one's own: python loop_over_batches.py DATA"""

import sys

import ecg_tune
from ecg_tune.config import ImageConfig
from ecg_tune.data.loaders import create_fusion_dataloader, create_image_dataloader, create_signal_dataloader


def main(folder: str) -> None:
    """Print the shapes of the first batch of each loader. Images are computed on the device, nothing lies on disk."""
    data = ecg_tune.open_data(folder)
    image = ImageConfig(kind="gasf", size=64)
    loaders = {
        "signal": create_signal_dataloader(data.train, shuffle_seed=0),
        "image": create_image_dataloader(data.train, image, normalisation=data.normalisation, shuffle_seed=0),
        "fusion": create_fusion_dataloader(data.train, image, normalisation=data.normalisation, shuffle_seed=0),
    }
    for name, loader in loaders.items():
        *inputs, labels = next(iter(loader))
        print(f"{name}: {len(loader)} batches, inputs {[tuple(tensor.shape) for tensor in inputs]}, labels {tuple(labels.shape)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
