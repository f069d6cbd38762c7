"""World: any Gymnasium environment as one with named observations, exact seeds, and success and score in `info`."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

Observation = dict[str, np.ndarray]


class World(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Adapts `env`, which it owns and closes.

    observation_space  Dict of Box: "state" for an environment with a vector, its own names for one with a Dict (nested
                       names joined by "/"), "pixels" (H, W, 3) uint8 for pictures, the environment's own or rendered
    action_space       Box, the environment's
    info               "success" (bool) and "score" (float in [0, 1]), both the best so far in this episode
    An episode that has succeeded is over: `terminated`.

    succeeded(env, info) -> bool says when; by default `info["is_success"]` or `info["success"]`.
    Raises ValueError for spaces that policies cannot use and for observations that the environment does not have.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"
    action_space: spaces.Box
    observation_space: spaces.Dict[Any]

    def __init__(
        self,
        task: str,
        env: gymnasium.Env[Any, Any],
        observations: Sequence[str] | None = None,
        *,
        pixel_size: int = 96,
        succeeded: Callable[[gymnasium.Env[Any, Any], dict[str, Any]], bool] | None = None,
    ) -> None:
        self.task = task
        self.env = env
        self.pixel_size = pixel_size
        self._succeeded = succeeded
        if not isinstance(env.action_space, spaces.Box) or len(env.action_space.shape) != 1:
            raise ValueError(f"{task} has the action space {env.action_space}; policies need a Box of one dimension")
        self.action_space = spaces.Box(
            env.action_space.low.astype(np.float32), env.action_space.high.astype(np.float32), dtype=np.float32
        )
        offered = self._offered()
        names = (
            tuple(observations)
            if observations is not None
            else tuple(n for n in offered if n != "pixels") or ("pixels",)
        )
        for name in names:
            if name not in offered:
                raise ValueError(f"{task} has no observation {name!r}; it has {', '.join(offered)}")
        self.observations = names
        self.observation_space = spaces.Dict({name: offered[name] for name in names})
        self._native: Any = None  # the environment's own last observation
        self._score, self._success = 0.0, False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode of `seed`; the same seed begins the same episode whatever went before."""
        super().reset(seed=seed)
        self._native, info = self._reset(seed, options)
        self._score, self._success = 0.0, False
        return self._observe(), {**info, **self._judge(info)}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step. Raises ValueError for an action of the wrong shape, or with values that are not finite."""
        action = np.asarray(action, dtype=np.float32)
        space = self.action_space
        if action.shape != space.shape:
            raise ValueError(f"{self.task} takes actions of shape {space.shape}; got {action.shape}")
        if not np.isfinite(action).all():
            raise ValueError(f"an action for {self.task} holds values that are not finite")
        self._native, reward, terminated, truncated, info = self._step(np.clip(action, space.low, space.high))
        info = {**info, **self._judge(info)}
        return self._observe(), float(reward), bool(terminated or self._success), bool(truncated), info

    def render(self) -> np.ndarray:
        """The scene now, (H, W, 3) uint8."""
        frame = self.env.render()
        if not isinstance(frame, np.ndarray):
            raise ValueError(f"{self.task} renders no pictures")
        return frame

    def project(self, actions: np.ndarray) -> np.ndarray | None:
        """Where a plan of `actions` (N, A) leads in the picture of `render`: (N, 2), x and y as shares of its size.

        None where this world does not know.
        """
        del actions
        return None

    def close(self) -> None:
        self.env.close()

    # What a world of its own overrides.

    def _reset(self, seed: int | None, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        return self.env.reset(seed=seed, options=options)

    def _step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        native = self.env.action_space
        return self.env.step(action.astype(native.dtype))

    def _assess(self, info: dict[str, Any]) -> tuple[bool, float]:
        """Success and score of this step."""
        if self._succeeded is not None:
            success = self._succeeded(self.env, info)
        else:
            success = bool(info.get("is_success", info.get("success", False)))
        return success, float(success)

    def _spaces(self) -> dict[str, spaces.Box]:
        """The environment's own observations by name."""
        return dict(_named("", self.env.observation_space, self.task))

    def _values(self) -> dict[str, Any]:
        """What `_spaces` names, of this moment."""
        return dict(_named("", self._native, self.task))

    def _picture(self) -> np.ndarray:
        """The scene as a policy sees it, (pixel_size, pixel_size, 3) uint8."""
        import cv2

        picture: np.ndarray = cv2.resize(
            self.render(), (self.pixel_size, self.pixel_size), interpolation=cv2.INTER_AREA
        )
        return picture

    # What is the same for all.

    def _offered(self) -> dict[str, spaces.Box]:
        picture = spaces.Box(0, 255, (self.pixel_size, self.pixel_size, 3), np.uint8)
        own = {
            name: space if space.dtype == np.uint8 else spaces.Box(-np.inf, np.inf, space.shape, np.float32)
            for name, space in self._spaces().items()
        }
        return own if "pixels" in own else {**own, "pixels": picture}

    def _observe(self) -> Observation:
        values = self._values()
        return {
            name: np.array(values[name], dtype=self.observation_space[name].dtype)
            if name in values
            else self._picture()
            for name in self.observations
        }

    def _judge(self, info: dict[str, Any]) -> dict[str, Any]:
        success, score = self._assess(info)
        self._success |= success
        self._score = max(self._score, score)
        return {"success": self._success, "score": self._score}


def _named(prefix: str, value: Any, task: str) -> list[tuple[str, Any]]:
    """A space or an observation as pairs of a name and a Box, or an array."""
    if isinstance(value, spaces.Dict | dict):
        pairs = [_named(f"{prefix}/{key}" if prefix else str(key), part, task) for key, part in value.items()]
        return [pair for part in pairs for pair in part]
    if isinstance(value, spaces.Space) and not isinstance(value, spaces.Box):
        raise ValueError(f"{task} observes {value}; policies need Box observations, or a Dict of them")
    picture = len(value.shape) == 3 and value.dtype == np.uint8
    return [(prefix or ("pixels" if picture else "state"), value)]
