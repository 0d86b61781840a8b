"""Writes the tables of the tokenizer and the golden token ids of its tests.

    pip install open_clip_torch==3.3.0 ftfy==6.3.1
    python tokenizer_data.py            # from any folder

Sources: the merges are those of open_clip's bpe_simple_vocab_16e6.txt.gz (OpenAI CLIP, MIT), as many as its SimpleTokenizer
uses; the entities are Python's html.entities.html5 (the WHATWG list); the character classes are ftfy's (Apache-2.0); the
code pages are Python's codecs.
"""

import gzip
import html.entities
import json
import os
import random
import re
import unicodedata
from pathlib import Path

import ftfy
import open_clip.tokenizer
from ftfy import badness, chardata

CRATE = Path(__file__).resolve().parents[2]


def literal(code):
    """A character as it stands in a Rust string, escaped unless it is visible and no syntax of a regex class."""
    char = chr(code)
    visible = unicodedata.category(char)[0] in "LNSP" and char not in '\\"[]^-&~'
    return char if visible else f"\\u{{{code:x}}}"


def ranges(codes):
    runs = []
    for code in sorted(codes):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    parts = []
    for first, last in runs:
        parts.append(literal(first) + ("" if last == first else literal(last) if last == first + 1 else "-" + literal(last)))
    return "".join(parts)


def members(char_class):
    pattern = re.compile(f"[{char_class}]")
    return [code for code in range(0x11000) if pattern.match(chr(code))]


def constant(name, value, doc):
    lines, line = [], ""
    for part in re.findall(r"\\u\{[0-9a-f]+\}|.", value):
        if len(line) + len(part) > 100:
            lines.append(line)
            line = ""
        line += part
    lines.append(line)
    body = '"' + "\\\n     ".join(lines) + '"'
    return f"/// {doc}\npub(super) const {name}: &str = {body};\n"


def tables():
    out = [
        "//! Character tables of the repair of misread text, written by `tests/python/tokenizer_data.py`.\n"
        "//!\n"
        "//! The classes are those of ftfy 6.3.1 (Robyn Speer, Apache-2.0; `badness.py`, `chardata.py`), written as the inside\n"
        "//! of a regex class. The code pages are the upper halves 0x80..=0xff of Python's codecs, in which an unassigned byte\n"
        "//! stands for the character of the same number.\n"
    ]
    for name, char_class in badness.MOJIBAKE_CATEGORIES.items():
        out.append(constant(name.upper(), ranges(members(char_class)), f"ftfy's category `{name}`."))
    for name, char_class in chardata.UTF8_CLUES.items():
        out.append(constant(name.upper(), ranges(members(char_class)), f"ftfy's clue `{name}`."))
    for encoding in chardata.CHARMAP_ENCODINGS[1:]:
        codec = encoding.removeprefix("sloppy-")
        upper = [bytes([b]).decode(codec, "replace") for b in range(0x80, 0x100)]
        upper = [chr(b) if c == "\ufffd" else c for b, c in zip(range(0x80, 0x100), upper)]
        name = codec.upper().replace("-", "_")
        out.append(constant(name, "".join(literal(ord(c)) for c in upper), f"Code page `{codec}`."))
    (CRATE / "src/tokenizer/tables.rs").write_text("\n".join(out))


def merges():
    lines = gzip.open(open_clip.tokenizer.default_bpe()).read().decode().split("\n")
    (CRATE / "data/clip_merges.txt").write_text("\n".join(lines[1 : 49152 - 256 - 2 + 1]) + "\n")


def entities():
    rows = [f"{name} {' '.join(f'{ord(c):x}' for c in chars)}" for name, chars in sorted(html.entities.html5.items())]
    (CRATE / "data/html5_entities.txt").write_text("\n".join(rows) + "\n")


# One text for each thing that cleaning or splitting does, and some that it must leave alone.
PLAIN = """purple|kidney-shaped|dense|post hurricane|swimming pool|UPPER case, punctuation!?|it's they're we've I'm he'll she'd don't
O'Brien's 'quoted' ''s|12 tanks 3.5 km2 100%|a-b_c/d\\e (f) [g] {h} <i>|C++ & C# @ #hashtag $5 ^_^ `~|e=mc^2 ** !!! ??? ...|
naïve café – river|四 tanks|東京の飛行場|аэропорт и река|مطار كبير|αεροδρόμιο ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ|हवाई अड्डा|สนามบิน|İstanbul ıssız STRASSE Straße|
emoji 🛩️ 🏊‍♀️ 👩‍👩‍👧 🇩🇪|tabs\tand\nnew\r\nlines\rold\u2028para\u2029end|  spaces   around  |\u3000full\u3000width\u00a0space\u2009thin\u200bzero|
ﬁre ﬂood oﬃce aﬄuent ﬅ ﬆ ĳssel Ĳ ŉ Ǆ ǅ ǆ Ǉ ǈ ǉ Ǌ ǋ ǌ Ǳ ǲ ǳ|ＬＯＵＤ　ＮＯＩＳＥＳ １２３|ﾀｰﾝ ｶﾞ ﾊﾟ ￦ ￠ ￣|“double” ‘single’ ‚low‘ „low“ ʼn ‛r‟|
e\u0301cole n\u0303 A\u030a o\u0308\u0304 \u1100\u1161\u11a8|ctrl\x00\x01\x08\x0b\x0c\x0e\x1b\x1f\x7f chars|\x1b[36;44mblue\x1b[0m plain|bom\ufeff in \ufff9anno\ufffatation\ufffb \ufffc \u206a\u206f|
&amp; &lt;b&gt; &quot;q&quot; &#39;x&#39; &#x27;y&#X27;|&amp;amp;amp;lt; deep|&eacute;t&eacute; &EACUTE;T&EACUTE; &nTILDE; &NTILDE;|&hellip; &mdash; &nbsp;x&nbsp;y &copy &copyx &notit; &notin; &ampx|
a&b &unknown; &; &#; &#x; &#xzz; &#0; &#128; &#153; &#x80; &#xd800; &#x110000; &#11; &#xfdd0; &#13;|this&not that &para&para;|&Jscr;ohn &HilbertSpace; &NotEqualTilde; &fjlig;|<p>a &amp; b</p>|x < y &amp; z\nnext &amp; line|
Broken text&hellip; it&#x2019;s ﬂubberiﬁc!|&macr;\\_(ã\x83\x84)_/&macr;|<start_of_text> dense <end_of_text>|<START_OF_TEXT>x<|endoftext|>|½ ¼ ² ³ ¹ ① Ⅷ ௧|\u0130 \u01c5 \u1e9e \ufb00|
sÃ³|schÃ¶n|voilÃ le travail|âœ” No problems|â€œquotedâ€\x9d text|â€œ like this â€�|The Mona Lisa doesnÃƒÂ¢Ã¢â€šÂ¬Ã¢â€žÂ¢t have eyebrows.|l’humanitÃ©|Ã perturber la rÃ©flexion|Ã quele Ã s Ã quilo|
RUF MICH ZURÃœCK|parce que lÃ, Ã§a|SÃO PAULO Ã‰|Ä\x8desky|Ð\x90Ñ\x8dÑ\x80Ð¾|РїСЂРёРІРµС‚ РјРёСЂ|Î‘Ï…Ï„ÏŒ|бабушка|Ôªø|√â√¢√™|caf√©|na├»ve ÔÇô|cafÃ© and naïve Ã± mixed|“mojibakeâ€\x9d|Å½ivot|
Ã©tÃ© &amp; hiver|price: Â£100 Â© 2020 Â°C|Â«citÃ©Â»|Â¿QuÃ©?|10Â³|Ã…land|Ã¦Ã¸Ã¥|ä½\xa0å¥½|\x85 ellipsis \x91quoted\x92 \x80 5|ÐŸÐ¾ Ñ€ÑƒÑ\x81Ñ\x81ÐºÐ¸|í\xa0½í¸\x8d|À\x80 null|
Ø§Ù„Ø¹Ø±Ø¨ÙŠØ©|à¤¹à¤¿à¤¨à¥\x8dà¤¦à¥€|Ã\x83Â© twice|HÃ´tel de Ville, ParÃ­s, MÃ¼nchen|É~o ¦bar ¯|ªº ordinals 2ª 3º|™ ® © § ¶|£100 €50 ¥500 ¢5|× ÷ ± ≤ ≥ ≠|¡Hola! ¿Qué?|«guillemets» ‹single›|ÃÂ|Ã|Â|â€|œuvre cœur Œ|À la carte à la mode|
Åland Ærø Øresund|Łódź Kraków Gdańsk|Ţară Şcoală|Žižkov|Đà Nẵng|São João|Ñandú|¬ logical|˜tilde ˆcaret ˇ ˘ ˛|│┌┐└ ║╗ ▓▒░|ツ ¯\\_(ツ)_/¯|( ͡° ͜ʖ ͡°)|(ò_ó) (ùwú)|°C 25° 90°N|µm 5μm|ſtart 'ſ 'K|K Å Ω|ǰ ΐ ΰ|"""


def spoiled(rng, words, encodings):
    """Text that went through a wrong decoding, whole or in part, as it is found in the wild."""
    text = " ".join(rng.choices(words, k=rng.randint(1, 6)))
    for _ in range(rng.randint(1, 2)):
        try:
            part = text.encode("utf-8").decode(rng.choice(encodings))
        except UnicodeDecodeError:
            continue
        text = rng.choice([part, part, part.replace("\xa0", " "), f"{text} {part}", part[1:], part[:-1]])
    return text


def golden():
    rng = random.Random(2024)
    texts = PLAIN.split("|")
    words = [w for t in texts[:40] for w in t.split()] + "pool tanks – “x” é à ñ ö š č ő я т ق ह 東 😀 £ ° ™ …".split()
    encodings = ["latin-1", "windows-1252", "windows-1251", "windows-1250", "windows-1253", "windows-1254", "windows-1257"]
    encodings += ["iso-8859-2", "macroman", "cp437"] + ["latin-1", "sloppy-windows-1252"] * 3
    while len(texts) < 320:
        texts.append(spoiled(rng, words, encodings))
    texts += ["a " * 200, "airport " * 75, "airport " * 76, "x" * 300]
    tokenizer = open_clip.tokenizer.SimpleTokenizer()
    rows = []
    for text in texts:
        ids = tokenizer([text])[0].tolist()
        rows.append([text, ids[: max(i for i, id in enumerate(ids) if id) + 1]])
    lines = ",\n".join(json.dumps(row) for row in rows)
    (CRATE / "tests/data/tokenizer.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    os.chdir(CRATE)
    assert ftfy.__version__ == "6.3.1", ftfy.__version__
    tables()
    merges()
    entities()
    golden()
