"""Train the acoustic model; stop and resume at will.

Command: `python -m training.train FEATURES OUT --minutes 95` (or `--steps N`). The learning rate warms up,
stays, and falls to zero over the last part of the budget; `OUT/last.pt` holds everything needed to resume,
with the exponential average of the weights that is exported. Feature shards that appear while it runs are
taken in. `--from CHECKPOINT` begins a new run, with its own budget and schedule, at the averaged weights of
an earlier one, at its sizes: lower the peak with `--learning-rate` then.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from carvoice.grammar.lexicon import Lexicon
from training.batches import Batch, Corpus, RowMaker, Segment
from training.checkpoints import load_average, new_network
from training.model import AcousticModel, ModelSettings, parameter_count
from training.rivals import Rivals
from training.scene import NoiseBank, Scene, SceneSettings
from training.whole import WholeSettings

DEFAULT_WEIGHTS = {
    **{"es": 0.36, "fl": 0.16, "hts": 0.08, "kal": 0.04},
    **{"ss-clb": 0.09, "ss-bdl": 0.08, "ss-pico": 0.13, "real": 0.06},
}


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The budget and the optimizer. A budget of 0 minutes means that `steps` counts.

    `rivals` is the weight of the loss against what an utterance could be taken for, which needs `grammar`.
    """

    minutes: float = 95.0
    steps: int = 0
    rows: int = 8
    row_frames: int = 1024
    learning_rate: float = 2e-3
    warmup_share: float = 0.03
    hold_share: float = 0.45
    easy_share: float = 0.06
    average_decay: float = 0.998
    save_every: int = 200
    seed: int = 1
    rivals: float = 0.0
    grammar: Path = Path("grammars/en")
    weights: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))


def learning_rate(progress: float, settings: TrainSettings) -> float:
    """Return the rate at `progress` (0..1): linear warm-up, hold, linear fall to 1 % of the peak."""
    warm, hold = settings.warmup_share, settings.hold_share
    if progress < warm:
        return settings.learning_rate * max(progress / warm, 0.02)
    if progress < hold:
        return settings.learning_rate
    return settings.learning_rate * max((1 - progress) / (1 - hold), 0.01)


def ctc_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the CTC loss per spoken phone over the batch's segments; logits (rows, steps, labels)
    float32.
    """
    log_probabilities = functional.log_softmax(logits.float(), -1)
    lengths = torch.tensor([s.end - s.start for s in batch.segments])
    padded = log_probabilities.new_zeros(int(lengths.max()), len(batch.segments), logits.shape[-1])
    for index, segment in enumerate(batch.segments):
        padded[: segment.end - segment.start, index] = log_probabilities[
            segment.row, segment.start : segment.end
        ]
    targets = torch.tensor([label for s in batch.segments for label in s.labels], dtype=torch.long)
    target_lengths = torch.tensor([len(s.labels) for s in batch.segments])
    total = functional.ctc_loss(
        padded, targets.to(logits.device), lengths, target_lengths, zero_infinity=True, reduction="sum"
    )
    return total / target_lengths.sum().clamp_min(1)


def rival_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the probability that a segment is taken for one of its rivals, mean over the segments.

    By CTC's likelihoods of the whole segment. Bounded, so that labels that are wrong do no harm.
    """
    log_probabilities = functional.log_softmax(logits.float(), -1)
    groups = [[(s, labels) for labels in (s.labels, *s.rivals) if _fits(s, labels)] for s in batch.segments]
    groups = [group for group in groups if len(group) > 1 and group[0][1] == group[0][0].labels]
    if not groups:
        return logits.new_zeros(())
    readings = [reading for group in groups for reading in group]
    lengths = torch.tensor([s.end - s.start for s, _ in readings])
    padded = torch.nn.utils.rnn.pad_sequence([log_probabilities[s.row, s.start : s.end] for s, _ in readings])
    targets = torch.tensor([label for _, labels in readings for label in labels], dtype=torch.long)
    target_lengths = torch.tensor([len(labels) for _, labels in readings])
    costs = functional.ctc_loss(padded, targets.to(logits.device), lengths, target_lengths, reduction="none")
    # how much likelier each reading is than what was said, which comes first: 0 for itself
    ahead = [of_one[0] - of_one for of_one in costs.split([len(group) for group in groups])]
    table = torch.nn.utils.rnn.pad_sequence(ahead, batch_first=True, padding_value=-torch.inf)
    return (1 - torch.exp(-torch.logsumexp(table, 1))).mean()


def _fits(segment: Segment, labels: tuple[int, ...]) -> bool:
    """Whether the frames are enough: one for each label, and a blank between two alike."""
    twins = sum(first == second for first, second in pairwise(labels))
    return len(labels) + twins <= segment.end - segment.start


class WeightAverage:
    """Exponential average of a model's weights and statistics."""

    def __init__(self, model: AcousticModel, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.values = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: AcousticModel) -> None:
        """Move the average towards the model; the horizon grows from the start."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)


class Trainer:
    """Owns the model, its optimizer and their checkpoint."""

    def __init__(
        self,
        features: Path,
        out: Path,
        model_settings: ModelSettings | WholeSettings,
        settings: TrainSettings,
        device: str,
        start: Path | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.out = settings, out
        self.device = torch.device(device)
        self.step, self.spent_s = 0, 0.0
        self.corpus = Corpus(features, settings.weights, settings.row_frames - 24, settings.seed)
        self.model = new_network(model_settings).to(self.device)
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.checkpoint = out / "last.pt"
        resumed = self._resume()
        earlier = 0
        if start and not resumed:
            state = torch.load(start, weights_only=True)
            self.model.load_state_dict(state["average"])
            earlier = state["step"]
        # a run that goes on draws other material than the first part did
        seed = settings.seed + self.step + earlier
        lookahead = model_settings.delayed_blocks
        rivals = Rivals(settings.grammar, Lexicon.load(), seed) if settings.rivals else None
        self.against = 0.0
        self.rows = RowMaker(self.corpus, settings.row_frames, lookahead, seed, rivals)
        bank = NoiseBank(features / "noise" / "noise.json", self.device)
        self.scene = Scene(bank, SceneSettings(), self.device, seed)
        if not resumed and not start:
            self._measure_features()
        self.average = WeightAverage(self.model, settings.average_decay)
        if resumed:
            self.average.values = torch.load(self.checkpoint, weights_only=True)["average"]
            self.average.updates = self.step

    def _resume(self) -> bool:
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.spent_s = state["step"], state["spent_s"]
        return True

    @torch.no_grad()
    def _measure_features(self) -> None:
        frames = torch.cat([self.scene(self._speech(self.rows.batch(8))).flatten(0, 1) for _ in range(8)])
        self.model.feature_mean.copy_(frames.mean(0))
        self.model.feature_scale.copy_(1 / frames.std(0).clamp_min(0.5))

    def _speech(self, batch: Batch) -> Tensor:
        return torch.from_numpy(batch.speech).to(self.device, non_blocking=True)

    @property
    def progress(self) -> float:
        """How much of the budget is spent, 0..1."""
        if self.settings.minutes:
            return self.spent_s / 60 / self.settings.minutes
        return self.step / max(self.settings.steps, 1)

    def save(self) -> None:
        """Write the checkpoint so that a crash while writing loses nothing."""
        self.out.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(
            {
                "settings": self.model.settings.as_dict(),
                "model": self.model.state_dict(),
                "average": self.average.values,
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "spent_s": self.spent_s,
            },
            partial,
        )
        os.replace(partial, self.checkpoint)

    def train_step(self) -> float:
        """Take one step and return its loss per phone."""
        progress = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress, self.settings)
        batch = self.rows.batch(self.settings.rows)
        with torch.no_grad():
            features = self.scene(self._speech(batch), max(0.0, 1 - progress / self.settings.easy_share))
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(features)
        loss = ctc_loss(logits, batch)
        if self.settings.rivals:
            against = rival_loss(logits, batch)
            self.against += (float(against.detach()) - self.against) / min(self.step + 1, 50)
            loss = loss + self.settings.rivals * against
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        self.average.update(self.model)
        return float(loss.detach())

    def run(self) -> None:
        """Train until the budget is spent."""
        settings, losses = self.settings, list[float]()
        seconds = settings.rows * settings.row_frames / 100
        print(f"{parameter_count(self.model)} parameters, {self.corpus.hours:.1f} h of features", flush=True)
        lap, lap_step = time.monotonic(), self.step
        while self.progress < 1:
            started = time.monotonic()
            losses.append(self.train_step())
            self.spent_s += time.monotonic() - started
            if self.step % 50 == 0:
                rate = (self.step - lap_step) * seconds / (time.monotonic() - lap)
                print(
                    f"step {self.step} {self.spent_s / 60:.1f} min loss {sum(losses) / len(losses):.4f} "
                    f"taken for a rival {self.against:.4f} "
                    f"lr {self.optimizer.param_groups[0]['lr']:.2e} {rate:.0f} x real time",
                    flush=True,
                )
                lap, lap_step, losses = time.monotonic(), self.step, []
            if self.step % settings.save_every == 0:
                self.save()
                self.corpus.rescan()
        self.save()


def main() -> None:
    """Train or resume."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=TrainSettings().minutes)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--from", dest="start", type=Path, help="checkpoint to begin with: weights and sizes")
    parser.add_argument("--learning-rate", type=float, default=TrainSettings().learning_rate)
    parser.add_argument("--rows", type=int, default=TrainSettings().rows)
    parser.add_argument("--channels", type=int, default=ModelSettings().channels)
    parser.add_argument("--hidden", type=int, default=ModelSettings().hidden)
    parser.add_argument("--blocks", type=int, default=ModelSettings().blocks)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rivals", type=float, default=0.0, help="weight of the loss against rivals")
    parser.add_argument(
        "--grammar", type=Path, default=TrainSettings().grammar, help="rivals are of its words"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sizes = ModelSettings(channels=arguments.channels, hidden=arguments.hidden, blocks=arguments.blocks)
    if arguments.start:
        sizes = load_average(arguments.start).settings
    minutes = 0.0 if arguments.steps else arguments.minutes
    settings = TrainSettings(
        minutes=minutes,
        steps=arguments.steps,
        rows=arguments.rows,
        learning_rate=arguments.learning_rate,
        rivals=arguments.rivals,
        grammar=arguments.grammar,
    )
    Trainer(arguments.features, arguments.out, sizes, settings, arguments.device, arguments.start).run()


if __name__ == "__main__":
    main()
