"""Representations and mirror images: exact inverses, and the truth of the simulator."""

import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_policies import line, pusht

from scorekit_diffusion_policy.config import PolicyConfig
from scorekit_diffusion_policy.recipe import config_for
from scorekit_diffusion_policy.representations import Representation, make_representation
from scorekit_diffusion_policy.symmetry import CORNERS, PARTNERS, mirrored

CONFIGS = {
    "pusht-frame": config_for(pusht(), ("state",), representation="pusht-frame"),
    "generic": config_for(pusht(), ("state",)),
    "relative": config_for(pusht(), ("state",), relative=("state", 0)),
}
place, angle = st.floats(0, 512), st.floats(-7, 7)
state = st.tuples(place, place, place, place, angle)


def fitted(config: PolicyConfig, seed: int = 0) -> Representation:
    made, random = make_representation(config), torch.Generator().manual_seed(seed)
    history = {"state": 512 * torch.rand(64, 2, 5, generator=random)}
    made.fit(history, 512 * torch.rand(64, config.horizon, 2, generator=random))
    return made


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=25, deadline=None)
@given(before=state, now=state, ends=st.tuples(place, place, place, place))
def test_decode_is_the_inverse_of_encode(name: str, before: tuple, now: tuple, ends: tuple) -> None:
    representation = fitted(CONFIGS[name])
    history = {"state": torch.tensor([[before, now]])}
    first, last = torch.tensor(ends).split(2)
    actions = torch.lerp(first, last, torch.linspace(0, 1, 16)[:, None])[None]
    back = representation.decode(representation.encode(actions, history), history)
    torch.testing.assert_close(back, actions, atol=2e-3, rtol=1e-5)
    assert torch.isfinite(representation.inputs(history)["features"]).all()
    assert representation.inputs(history)["features"].shape == (1, representation.features)


def test_decoding_is_differentiable() -> None:
    representation = fitted(CONFIGS["pusht-frame"])
    history = {"state": 512 * torch.rand(2, 2, 5)}
    x = torch.zeros(2, 16, 2, requires_grad=True)
    representation.decode(x, history)[:, 0].sum().backward()
    assert x.grad is not None
    assert (x.grad[:, 0] != 0).all()
    assert (x.grad[:, 1:] == 0).all()


@settings(max_examples=50, deadline=None)
@given(now=state, action=st.tuples(place, place))
def test_a_mirror_image_of_a_mirror_image_is_the_thing(now: tuple, action: tuple) -> None:
    history, actions = (
        {"state": torch.tensor([[now]], dtype=torch.float64)},
        torch.tensor([[action]], dtype=torch.float64),
    )
    back, again = mirrored(*mirrored(history, actions))
    torch.testing.assert_close(again, actions)
    torch.testing.assert_close(back["state"][..., :4], history["state"][..., :4])
    turn = (back["state"] - history["state"])[..., 4]
    torch.testing.assert_close(turn.cos(), torch.ones_like(turn))


def test_the_mirror_image_of_the_goal_is_the_goal() -> None:
    goal = {"state": torch.tensor([[[256.0, 256, 256, 256, math.pi / 4]]])}
    torch.testing.assert_close(mirrored(goal, torch.zeros(1, 1, 2))[0], goal)


def test_features_do_not_depend_on_whole_turns_of_the_block() -> None:
    representation = fitted(CONFIGS["pusht-frame"])
    here = torch.tensor([[[200.0, 100, 300, 260, 6.2], [210.0, 110, 301, 262, 6.28]]])
    there = here.clone()
    there[:, 1, 4] += 0.02 - 2 * math.pi  # past the seam of [0, 2 pi)
    there[:, 0, 4] += 0.02
    one, other = (representation.inputs({"state": value})["features"] for value in (here, there))
    assert float((one - other).abs().max()) < 0.5  # a seam would show as 10 radians


def test_features_are_the_same_wherever_pose_and_goal_are_the_same() -> None:
    """The agent in the block's frame does not change when both turn about the block; what is told of the goal does."""
    representation = fitted(CONFIGS["pusht-frame"])
    seen = torch.tensor([30.0, -40.0])
    rows = []
    for angle in (0.3, 1.9):
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        block = torch.tensor([200.0, 300.0])
        rows.append(torch.cat([turn @ seen + block, block, torch.tensor([angle])]))
    features = representation.inputs({"state": torch.stack(rows)[:, None]})["features"]
    torch.testing.assert_close(features[0, :2], features[1, :2])
    torch.testing.assert_close(features[0, :2], seen / 100)


@pytest.fixture(scope="module")
def simulator():
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    make = pytest.importorskip("scorekit_diffusion_policy.environments").make
    return make("pusht", ("state", "keypoints", "pixels"))


def pushed(world, start: np.ndarray, actions: np.ndarray) -> list[dict[str, np.ndarray]]:
    """What the simulator shows along some actions from a state, set exactly."""
    world.reset(seed=0)
    inner = world.inner
    inner.agent.position, inner.agent.velocity = tuple(map(float, start[:2])), (0, 0)
    inner.block.angle = float(start[4])
    inner.block.position = tuple(map(float, start[2:4]))
    inner.block.velocity, inner.block.angular_velocity = (0, 0), 0
    inner.space.reindex_shapes_for_body(inner.block)
    return [{name: np.array(value) for name, value in world.step(action)[0].items()} for action in actions]


def test_the_simulator_agrees_that_mirror_images_move_alike(simulator) -> None:
    start = np.array([120.0, 300.0, 260.0, 250.0, 2.0], np.float32)
    actions = np.linspace([140.0, 300.0], [300.0, 260.0], 12).astype(np.float32)
    here = pushed(simulator, start, actions)
    image, others = mirrored({"state": torch.from_numpy(start)}, torch.from_numpy(actions))
    there = pushed(simulator, image["state"].numpy(), others.numpy())
    moved = np.linalg.norm(here[-1]["state"][2:4] - start[2:4])
    assert moved > 20, "the block was not pushed: the test would show nothing"
    for one, other in zip(here, there, strict=True):
        expected, _ = mirrored({name: torch.from_numpy(value) for name, value in one.items()}, torch.zeros(2))
        # Contacts are solved in the order of the shapes, so images drift apart by fractions of a pixel.
        np.testing.assert_allclose(other["state"][:4], expected["state"][:4].numpy(), atol=1.0)
        assert np.cos(other["state"][4] - expected["state"][4].numpy()) > 0.9998
        np.testing.assert_allclose(other["keypoints"], expected["keypoints"].numpy(), atol=2.0)
    difference = np.abs(there[-1]["pixels"].astype(float) - expected["pixels"].numpy())
    assert difference.mean() < 6  # edges fall on other pixels
    assert np.abs(there[-1]["pixels"].astype(float) - here[-1]["pixels"]).mean() > 2 * difference.mean()


def test_the_corners_are_those_of_the_simulator(simulator) -> None:
    simulator.reset(seed=3)
    inner = simulator.inner
    corners = [tuple(v) for shape in inner._block_shapes for v in shape.get_vertices()]
    assert corners == [tuple(map(float, corner)) for corner in CORNERS]
    assert [CORNERS[partner] for partner in PARTNERS] == [(-x, y) for x, y in CORNERS]


def test_pusht_frame_wants_the_state_of_pusht() -> None:
    with pytest.raises(ValueError, match='needs the observation "state" of 5 numbers'):
        make_representation(config_for(line(), ("state",), representation="pusht-frame"))


def test_mirror_names_the_observations_that_it_knows() -> None:
    with pytest.raises(ValueError, match="state, keypoints, pixels of PushT, not 'force'"):
        mirrored({"force": torch.zeros(1, 3)}, torch.zeros(1, 2))
