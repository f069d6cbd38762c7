"""The classifiers that are trained on the same pictures: logistic regression and a small CNN."""

from typing import Any

import torch
from torch import Tensor

from scorekit_diffusion_classifier.fashion_mnist import CLASSES, Labelled


def logistic(train: Labelled, test: Labelled) -> Tensor:
    from sklearn.linear_model import LogisticRegression

    def flat(data: Labelled) -> Any:
        return (data.images.flatten(1).float() / 255).numpy()

    model = LogisticRegression(max_iter=100).fit(flat(train), train.labels.numpy())
    return torch.from_numpy(model.predict(flat(test)))


def cnn(train: Labelled, test: Labelled, epochs: int = 6, batch: int = 128) -> Tensor:
    """Two convolutions and two linear layers, 0.4 million weights, Adam with the learning rate falling to 0."""
    from torch import nn

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, len(CLASSES)),
    )  # fmt: skip
    steps = epochs * (len(train) // batch)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step in range(steps):
        if step % (len(train) // batch) == 0:
            order = torch.randperm(len(train))
        chosen = order[(step % (len(train) // batch)) * batch :][:batch]
        loss = nn.functional.cross_entropy(network(train.pictures(chosen)), train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        return torch.cat([network(test.pictures(part)).argmax(1) for part in torch.arange(len(test)).split(500)])
