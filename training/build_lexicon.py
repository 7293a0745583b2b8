"""Write models/asr-en/lexicon.txt: the most frequent English words and how they are said.

    python training/build_lexicon.py --words 30000 [--grammar grammars/en]

The word list comes from wordfreq (needed only here), the phones from espeak-ng in three accents,
reduced forms of function words from :data:`REDUCED`, and words that are written the same but said
in two ways from :data:`HOMOGRAPHS`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.g2p import Phones, pronunciations

OUT = Path(__file__).parents[1] / "models" / "asr-en" / "lexicon.txt"
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
MOST_VARIANTS = 4

# How function words are said inside a sentence; espeak-ng alone gives the citation form.
REDUCED = {
    "a": "ah|ey",
    "an": "ah n|ae n",
    "the": "dh ah|dh iy",
    "and": "ae n d|ah n d|ah n|ae n",
    "of": "ah v|ah",
    "to": "t uw|t ah|t ih",
    "for": "f ao r|f er|f ao",
    "can": "k ae n|k ah n|k ih n",
    "or": "ao r|er|ao",
    "with": "w ih th|w ih dh",
    "from": "f r ah m|f r aa m",
    "at": "ae t|ah t",
    "as": "ae z|ah z",
    "is": "ih z",
    "it": "ih t|ah t",
    "in": "ih n|ah n",
    "on": "aa n|ao n",
    "off": "ao f|aa f",
    "are": "aa r|er|aa",
    "was": "w aa z|w ah z",
    "were": "w er",
    "you": "y uw|y ah",
    "your": "y ao r|y er|y uh r|y ao",
    "my": "m ay",
    "me": "m iy",
    "i": "ay",
    "i'd": "ay d",
    "i'm": "ay m|aa m",
    "i'll": "ay l|aa l",
    "that": "dh ae t|dh ah t",
    "than": "dh ae n|dh ah n",
    "them": "dh eh m|dh ah m|ah m",
    "us": "ah s",
    "could": "k uh d|k ah d",
    "would": "w uh d|w ah d",
    "should": "sh uh d|sh ah d",
    "will": "w ih l|ah l",
    "have": "hh ae v|hh ah v|ah v",
    "has": "hh ae z|ah z",
    "had": "hh ae d|ah d",
    "do": "d uw|d ah",
    "does": "d ah z",
    "must": "m ah s t|m ah s",
    "just": "jh ah s t|jh ah s",
    "but": "b ah t",
    "so": "s ow",
    "some": "s ah m",
    "her": "hh er|er",
    "his": "hh ih z|ih z",
    "him": "hh ih m|ih m",
    "he": "hh iy|iy",
    "going": "g ow ih ng|g ow ih n",
    "want": "w aa n t|w ao n t|w aa n",
    "what": "w ah t|w aa t|w ao t",
    "what's": "w ah t s|w aa t s",
    "gonna": "g ah n ah|g ao n ah",
    "wanna": "w aa n ah|w ao n ah",
    "because": "b ih k ah z|k ah z|b ih k ao z",
    "please": "p l iy z",
}
HOMOGRAPHS = {
    "read": "r iy d|r eh d", "live": "l ih v|l ay v", "lead": "l iy d|l eh d", "wind": "w ih n d|w ay n d",
    "close": "k l ow z|k l ow s", "use": "y uw z|y uw s", "record": "r eh k er d|r ih k ao r d|r eh k ao d",
    "tear": "t ih r|t eh r", "minute": "m ih n ih t|m ih n ah t", "route": "r uw t|r aw t",
    "either": "iy dh er|ay dh er|ay dh ah", "neither": "n iy dh er|n ay dh er|n ay dh ah",
    "data": "d ey t ah|d ae t ah", "direct": "d er eh k t|d ay r eh k t|d ih r eh k t",
    "process": "p r aa s eh s|p r ow s eh s", "schedule": "s k eh jh uw l|sh eh d y uw l|s k eh jh uh l",
    "oh": "ow", "zero": "z ih r ow|z iy r ow|z iy ah r ow", "new": "n uw|n y uw",
    "tuesday": "t uw z d ey|t y uw z d ey|ch uw z d ey",
    "aircon": "eh r k aa n|eh k aa n", "defrost": "d iy f r ao s t|d ih f r ao s t|d iy f r aa s t",
    "defroster": "d iy f r ao s t er|d ih f r ao s t er|d iy f r aa s t er|d iy f r ao s t ah",
    "defog": "d iy f aa g|d iy f ao g|d ih f aa g",
    "defogger": "d iy f aa g er|d iy f ao g er|d iy f aa g ah",
    "demist": "d iy m ih s t|d ih m ih s t", "demister": "d iy m ih s t er|d iy m ih s t ah",
    "temperature": "t eh m p r ih ch er|t eh m p r ah ch er|t eh m p er ah ch er|t eh m p r ih ch ah",
    "kmh": "k ih l aa m ih t er z p er aw er|k ey eh m ey ch",
    "recirculate": "r iy s er k y ah l ey t|r ih s er k y uh l ey t",
    "recirculation": "r iy s er k y ah l ey sh ah n|r ih s er k y uh l ey sh ah n",
    "aunt": "ae n t|aa n t", "garage": "g er aa zh|g ae r aa zh|g ae r ih jh", "vase": "v ey s|v aa z",
}  # fmt: skip


def entry(word: str) -> tuple[Phones, ...]:
    """Pronunciations of one word, most usual first."""
    by_hand = REDUCED.get(word) or HOMOGRAPHS.get(word)
    if by_hand:
        return tuple(tuple(variant.split()) for variant in by_hand.split("|"))
    return pronunciations(word)[:MOST_VARIANTS]


def build(words: Iterable[str]) -> str:
    """The lexicon file's text."""
    lines = (f"{word}\t{'|'.join(' '.join(phones) for phones in entry(word))}\n" for word in words)
    return "".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=30_000)
    parser.add_argument("--grammar", type=Path, help="folder of HassIL files whose words to add")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()

    from wordfreq import top_n_list

    frequent = [word for word in top_n_list("en", args.words * 2) if WORD.fullmatch(word)][: args.words]
    listed = compile_grammar(load_grammar(args.grammar)).vocabulary if args.grammar else ()
    extra = sorted(word for word in listed if WORD.fullmatch(word))
    words = list(dict.fromkeys([*frequent, *REDUCED, *HOMOGRAPHS, *extra]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(build(words), encoding="utf-8")
    print(f"{args.out}: {len(words)} words, {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
