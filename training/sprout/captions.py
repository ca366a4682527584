"""Captions of procedural objects, composed from the parameters that made them, and a tokenizer reduced to their words.

Every family has a list of what its draws mean, in the order in which its function in objects.py draws them. Words of it:
  -               has no name in captions (names of two words are written with _)
  C*  C:part      colour of the whole, of a part; C!:part is the main colour of a family that has no colour of the whole
  L*:low:high     the whole is low or high, in six levels: very low, low, rather low, rather high, high, very high
  L:part:low:high likewise a part
  B*:yes:no  B:part:yes:no   one of two words
  P:part          whether the part is there
  T               always true here
  @3  @!3  @4~0~.5   behind any of these: said only if draw 3 is true, false, if draw 4 lies in that part of its range; + joins several of one draw

Colours are drawn as for every other object and then moved to the closest one that has a name, so that a word means one colour."""
import functools
import gzip
import os
import random
import re

import numpy as np
import torch

from . import objects as ob

SPEC = {
    'chair': 'L:seat:narrow:wide L:seat:shallow:deep L:legs:short:long - L:back:low:high C* C:legs - B:back:slatted:solid L:legs:thin:thick - B:legs:square:round P:armrests',
    'table': 'L:top:narrow:wide L:top:shallow:deep@!6 L*:low:tall C* C:legs@!5+C:pedestal@5 P:pedestal B:top:round:rectangular L:top:thin:thick L:legs:thin:thick@!5+L:pedestal:thin:thick@5 P:shelf@!5',
    'lamp': 'L*:short:tall L:shade:narrow:wide C* C:shade L:foot:narrow:wide - - L:stem:thin:thick - L:shade:pointed:straight L:shade:low:high L:ball:small:large@13 C:ball@13 P:ball P:knob',
    'mug': 'L*:narrow:wide L*:low:tall L:wall:thin:thick C* L:foot:narrow:wide C:inside@!7 - P:handle L:handle:small:large@7 L:handle:thin:thick@7',
    'vase': 'L:foot:narrow:wide C* C:trim - L:base:narrow:wide - L:belly:narrow:wide - - L:shoulder:narrow:wide L:neck:short:long L:neck:narrow:wide - - L:rim:narrow:wide P:handles',
    'car': 'L*:short:long L*:narrow:wide L:body:low:high C* C:windows - L:cabin:short:long L:cabin:forward:rearward L:cabin:low:high L:wheels:small:large - - - - P:spoiler',
    'house': 'L*:narrow:wide L*:shallow:deep L:walls:low:high C* C:roof L:roof:flat:steep B:roof:pyramid:gabled C:windows - C:door - - - - - P:chimney',
    'tree': 'L:trunk:short:tall C* L:trunk:thin:thick - C:trunk T L:crown:narrow:wide' + 30 * ' -' + ' C:fruit@38 P:fruit',
    'person': 'C:skin C!:shirt C:trousers C:hat@14 L:body:slim:broad L:body:short:long L:legs:short:long L:arms:lowered:raised - L:head:small:large C:shoes L:arms:short:long L:hat:pointed:flat@14 L:hat:low:tall@14 P:hat -',
    'rocket': 'L*:thin:thick L*:short:tall C* C:fins L:foot:narrow:wide L:nose:short:long C:nozzle L:fins:small:large L:fins:low:high - B:fins:four:three - C:window - C:stripe@15 P:stripe',
    'plane': 'L:body:short:long L:body:thin:thick C* C:wings - L:wings:short:long L:wings:straight:swept L:wings:narrow:broad L:wings:forward:rearward - - C:cockpit C:engines@13 P:engines - C:propeller@16 P:propeller',
    'mushroom': 'L:cap:small:large L:stem:short:tall C* L:cap:flat:domed - L:stem:thin:thick - C:stem C:spots' + 16 * ' -',
    'beast': 'L:body:short:long L:body:thin:fat C* C:legs L:legs:short:long L:head:small:large L:head:low:raised - L:legs:thin:thick L:ears:short:long - - - - P:tail',
    'tower': 'L*:slim:wide B*:square:round L:ground_floor:low:high C!:ground_floor - - L:second_floor:narrow:wide L:second_floor:low:high C:second_floor - - '
             'L:third_floor:narrow:wide L:third_floor:low:high C:third_floor - - L:top_floor:narrow:wide L:top_floor:low:high C:top_floor - - - C:roof@23 P:roof -',
    'tool': 'L:handle:short:long L:handle:thin:thick C:handle C!:head@4~0~.35+C!:blade@4~.35~.7+C!:bowl@4~.7~2 - - L:head:narrow:wide@4~0~.35 - L:head:low:high@4~0~.35 '
            'L:blade:narrow:wide@4~.35~.7 L:guard:narrow:wide@4~.35~.7 L:bowl:narrow:wide@4~.7~2 - L:bowl:short:long@4~.7~2 P:pommel',
    'sofa': 'L*:narrow:wide L:seat:shallow:deep C* C:cushions@8 L:back:lowered:raised L:back:short:tall L:armrests:low:high@7 P:armrests P:cushions C:legs -',
    'snowman': 'L:bottom_ball:small:large L:middle_ball:small:large C* L:head:small:large - L:nose:short:long C:nose - C:hat@9 P:hat L:hat:low:tall@9 - C:scarf@13 P:scarf L:arms:short:long@17 - - P:arms',
    'barrel': 'L*:short:tall L*:narrow:wide L:sides:straight:bulging C* C:hoops - - - - - - B*:open:closed - P:tap P:handles',
    'boat': 'L*:short:long L*:narrow:wide L:hull:shallow:deep C* C:sail@8+C:cabin@!8 - - - P:sail L:mast:short:tall@8 - - L:sail:narrow:wide@8 L:sail:low:high@8 - L:cabin:short:long@!8 C:funnel@17@!8 P:funnel@!8',
    'bottle': 'L*:slim:wide L*:short:tall C* C:label@12 L:neck:thin:thick L:neck:short:long - - C:cap@9 P:cap L:label:low:high@12 L:label:narrow:broad@12 P:label L:handle:small:large@15 - P:handle',
    'teapot': 'L:body:slim:wide L:body:flat:round C* C:handle L:spout:short:long L:spout:upright:slanted L:handle:small:large L:handle:thin:thick L:knob:small:large C:knob',
    'truck': 'L*:narrow:wide L*:short:long L:load:low:high C!:cab C:load - C:windows L:cab:short:long B:load:cylindrical:boxy L:wheels:small:large',
    'robot': 'L:body:slim:broad L:body:short:tall C* C:head C:arms - L:head:narrow:wide L:head:low:high - C:eyes C:panel L:arms:lowered:raised L:legs:short:long P:antenna - -',
    'fish': 'L*:short:long L:body:low:high L:body:thin:fat C* C:fins L:tail:small:large - - - L:back_fin:short:long L:back_fin:low:high - - C:eyes - P:belly_fin',
    'bird': 'L:body:slim:fat L:body:short:long C* C:wings C:beak L:body:upright:level L:head:small:large L:head:low:raised L:beak:short:long - B:wings:spread:folded L:wings:short:long@10 - - - L:legs:short:long',
    'bench': 'L*:short:long L:seat:shallow:deep L:legs:short:tall C* C:legs L:back:low:high P:armrests',
    'castle': 'L*:narrow:wide L*:shallow:deep L:walls:low:high C* C:roofs@10 L:towers:low:tall L:towers:thin:thick P:courtyard L:gate:narrow:wide C:gate P:roofs L:keep:low:tall@12 P:keep',
    'cactus': 'L*:thin:thick L*:short:tall C* - P:left_arm L:left_arm:low:high@4 - L:left_arm:short:long@4 P:right_arm L:right_arm:low:high@8 - L:right_arm:short:long@8 C:pot - C:flower@15 P:flower',
    'clock': '- C* C:face C:hands B*:square:round L*:thin:thick - - C:bells@9 P:bells C:feet@11 P:feet',
}
NAMES = {'chair': ['chair', 'seat'], 'table': ['table', 'desk'], 'lamp': ['lamp', 'table lamp'], 'mug': ['mug', 'cup'], 'vase': ['vase', 'urn'], 'car': ['car', 'automobile'],
         'house': ['house', 'cottage'], 'tree': ['tree', 'fir', 'pine tree'], 'person': ['person', 'man', 'figure'], 'rocket': ['rocket', 'spaceship'], 'plane': ['plane', 'airplane', 'aeroplane'],
         'mushroom': ['mushroom', 'toadstool'], 'beast': ['beast', 'animal', 'dog'], 'tower': ['tower'], 'sofa': ['sofa', 'couch'], 'snowman': ['snowman'], 'barrel': ['barrel', 'cask'],
         'boat': ['boat', 'ship'], 'bottle': ['bottle', 'flask'], 'teapot': ['teapot'], 'truck': ['truck', 'lorry'], 'robot': ['robot', 'android'], 'fish': ['fish'], 'bird': ['bird'],
         'bench': ['bench'], 'castle': ['castle', 'fortress'], 'cactus': ['cactus'], 'clock': ['clock', 'alarm clock'], 'hammer': ['hammer'], 'sword': ['sword', 'dagger'], 'spoon': ['spoon', 'ladle']}
KINDS = list(NAMES)
FAMILIES = [f for f in ob.NAMED + ob.NEW if f.__name__ in SPEC]
LEVELS = ['very {0}', '{0}', 'rather {0}', 'rather {1}', '{1}', 'very {1}']
ALSO = {'very': ['very', 'extremely'], 'rather': ['rather', 'fairly']}
PLURAL = {'feet', 'fruit', 'skin', 'trim'}                                       # nouns without an article

HUES = {'red': 0, 'orange': 30, 'yellow': 55, 'lime': 85, 'green': 125, 'teal': 165, 'cyan': 190, 'blue': 225, 'purple': 270, 'magenta': 300, 'pink': 335}
SHADES = {'': (.8, .92), 'dark ': (.85, .55), 'light ': (.42, .96)}
GREYS = {'white': (.95, .95, .95), 'light grey': (.76, .76, .76), 'grey': (.55, .55, .55), 'dark grey': (.33, .33, .33), 'black': (.1, .1, .1),
         'brown': (.48, .31, .16), 'beige': (.87, .79, .64)}


def hsv(h, s, v):
    return tuple(v * (1 - s * (1 - min(max(abs((h / 60 + o) % 6 - 3) - 1, 0), 1))) for o in (0, 4, 2))


PALETTE = {**{shade + hue: hsv(h, *sv) for shade, sv in SHADES.items() for hue, h in HUES.items() if (shade, hue) != ('dark ', 'orange')}, **GREYS}
COLOURS, RGB = list(PALETTE), torch.tensor(list(PALETTE.values()))
SPELT = {'grey': ['grey', 'gray'], 'teal': ['teal', 'turquoise'], 'purple': ['purple', 'violet'], 'light': ['light', 'pale']}


class Named(ob.Kit):
    """A kit that remembers what was drawn, with colours that have names."""
    def __init__(self, n, gen, dev, always=()):
        super().__init__(n, gen, dev)
        self.drawn, self.always, self.inner = [], always, False                # (kind, value): 'u' share of the range, 'p' 0 or 1, 'c' number of the colour

    def u(self, lo, hi):
        x = torch.rand(self.n, generator=self.g, device=self.dev)
        if not self.inner:
            self.drawn.append(('u', x))
        return lo + (hi - lo) * x

    def p(self, prob):
        x = super().p(prob)
        if len(self.drawn) in self.always:
            x = torch.ones_like(x)
        self.drawn.append(('p', x.float()))
        return x

    def colour(self, *a, **kw):
        self.inner = True
        c = super().colour(*a, **kw)
        self.inner = False
        k = torch.cdist(c, RGB.to(c.device)).argmin(1)
        self.drawn.append(('c', k))
        return RGB.to(c.device)[k]


@functools.lru_cache(None)
def entries(family):
    """[(draw, letter, part, words, conditions)] of a family; part '' is the whole"""
    out = []
    for i, draw in enumerate(SPEC[family].split()):
        for e in draw.split('+'):
            e, *conds = e.split('@')
            if e in '-T':
                continue
            head, *words = e.split(':')
            letter, mark = head[0], head[1:]
            part = '' if mark == '*' else words.pop(0).replace('_', ' ')
            out.append((i, letter, part, tuple(words), tuple(conds), bool(mark)))
    return out


def holds(cond, values):
    if '~' in cond:
        i, lo, hi = cond.split('~')
        return float(lo) <= values[int(i)] < float(hi)
    return values[int(cond.lstrip('!'))] == (0 if cond[0] == '!' else 1)


SLOTS = 24


def facts(family, values):
    """What a caption may say of an object: its kind, and [(slot, letter, part, word, number)]: number is the value that the word stands for, of a colour its number."""
    kind = family
    if family == 'tool':
        kind = 'hammer' if values[4] < .35 else 'sword' if values[4] < .7 else 'spoon'
    out = []
    for slot, (i, letter, part, words, conds, main) in enumerate(entries(family)):
        if not all(holds(c, values) for c in conds):
            continue
        v = values[i]
        if letter == 'C':
            word = COLOURS[int(v)]
        elif letter == 'L':
            word = LEVELS[min(5, int(v * 6))].format(*words)
        elif letter == 'B':
            word = words[0 if v else 1]
        else:
            word = '' if v else 'no'
        out.append((slot, letter, part, word, v, main))
    return kind, out


def article(phrase):
    noun = phrase.split()[-1]
    if noun in PLURAL or noun.endswith('s') and noun not in ('cactus', 'fortress'):
        return phrase
    return ('an ' if phrase[0] in 'aeiou' else 'a ') + phrase


def spell(word, rng):
    out = []
    for w in word.split():
        alt = ALSO.get(w) or SPELT.get(w)
        out.append(rng.choice(alt) if alt and rng.random() < .4 else w)
    return ' '.join(out)


def compose(kind, told, rng, full=False):
    """A caption that says the facts `told`."""
    by, gone = {}, []
    for slot, letter, part, word, v, main in told:
        if letter == 'P':
            by.setdefault(part, []) if v else gone.append(part)
        else:
            by.setdefault(part, []).append((letter, spell(word, rng)))
    if rng.random() < .1 and not full:
        gone = []

    def adjectives(words):
        words = words[:]
        rng.shuffle(words)
        if rng.random() < .8:
            words.sort(key=lambda x: x[0] == 'C')                              # the colour next to the noun
        return (', ' if rng.random() < .5 else ' ').join(w for _, w in words)

    whole = by.pop('', [])
    name = rng.choice(NAMES[kind]) if rng.random() < .5 else NAMES[kind][0]
    late = []
    if whole and rng.random() < .15:
        late, whole = [whole.pop(rng.randrange(len(whole)))], whole
    head = article(f'{adjectives(whole)} {name}'.strip())
    parts = list(by.items())
    rng.shuffle(parts)
    style = rng.random()
    said = []
    for part, words in parts:
        if words and style < .2:
            is_ = 'are' if part.endswith('s') or part in PLURAL else 'is'
            said.append(f'the {part} {is_} {adjectives(words)}')
        else:
            said.append(article(f'{adjectives(words)} {part}'.strip()))
    said += [f'no {p}' for p in gone]
    if style >= .2 and rng.random() < .3:
        rng.shuffle(said)
    tail = ''
    if said and style < .2:
        tail = '. ' + '. '.join(said)
    elif said:
        sep = rng.choice([', ', ', ', ' and '])
        tail = rng.choice([' with ', ' with ', ' that has ', ', ']) + (sep.join(said[:-1]) + ' and ' + said[-1] if len(said) > 1 else said[0])
    if late:
        tail += rng.choice([', it is ', '. it is ', ', ']) + late[0][1]
    r = rng.random()
    text = (rng.choice(['a 3d model of ', 'please make ', 'this is ', 'a toy: ']) if r < .15 else '') + head + tail
    if rng.random() < .1:
        text = re.sub(r'\b(a|an|the) ', '', text)
    return text + ('.' if rng.random() < .2 else '')


def filler(text, rng):
    """An unknown word now and then: it has to be read over."""
    words = text.split(' ')
    for _ in range(rng.randint(1, 2)):
        word = ''.join(rng.choice('abcdefghijklmnopqrstuvwxyz') for _ in range(rng.randint(2, 7)))
        words.insert(rng.randrange(len(words) + 1), word)
    return ' '.join(words)


def caption(kind, all_facts, rng, full=False):
    """(text, slots that it tells). Half of the captions tell everything, the others any share of it, the colour of the whole most often."""
    keep = 1. if full or rng.random() < .5 else rng.random()
    told = [f for f in all_facts if keep == 1. or rng.random() < (keep + .5 if f[5] and f[1] == 'C' else keep)]
    text = compose(kind, told, rng, full)
    if not full and rng.random() < .06:
        text = filler(text, rng)
    return text, told


# ---- tokenizer
def byte_symbols():
    prints = lambda b: 33 <= b <= 126 or 0xA1 <= b <= 0xAC or 0xAE <= b <= 0xFF
    other = [b for b in range(256) if not prints(b)]
    return {b: chr(b if prints(b) else 256 + other.index(b)) for b in range(256)}, prints


class Tokenizer:
    """CLIP's byte-pair encoding for lower-case ASCII. merges: its pairs, in their order."""
    def __init__(self, merges):
        self.symbol, prints = byte_symbols()
        order = [b for p in (True, False) for b in range(256) if prints(b) == p]
        self.merges = merges
        self.rank = {m: i for i, m in enumerate(merges)}
        vocab = [self.symbol[b] for b in order] + [self.symbol[b] + '</w>' for b in order] + [a + b for a, b in merges] + ['<|startoftext|>', '<|endoftext|>']
        self.ids = {t: i for i, t in enumerate(vocab)}
        self.start, self.end, self.size, self.cache, self.used = len(vocab) - 2, len(vocab) - 1, len(vocab), {}, set()

    def word(self, w):
        if w not in self.cache:
            s = [self.symbol[b] for b in w.encode()]
            s[-1] += '</w>'
            while len(s) > 1:
                best = min(zip(s, s[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if best not in self.rank:
                    break
                self.used.add(best)
                out, i = [], 0
                while i < len(s):
                    if i + 1 < len(s) and (s[i], s[i + 1]) == best:
                        out.append(s[i] + s[i + 1])
                        i += 2
                    else:
                        out.append(s[i])
                        i += 1
                s = out
            self.cache[w] = [self.ids[x] for x in s]
        return self.cache[w]

    def __call__(self, text, length=77):
        ids = [self.start] + [i for w in re.findall(r'[a-z]+|[0-9]|[^\sa-z0-9]+', text.lower()) for i in self.word(w)]
        ids = ids[:length - 1] + [self.end]
        return ids + [self.end] * (length - len(ids))


def all_words():
    """Every word that captions may hold."""
    out = set('a an the with that has and no it is are this please make 3 d model of toy , . :'.split())
    for names in NAMES.values():
        out |= set(' '.join(names).split())
    for family in SPEC:
        for _, letter, part, words, _, _ in entries(family):
            out |= set(part.split()) | set(words)
    for alt in [*ALSO.values(), *SPELT.values()]:
        out |= set(alt)
    out |= set(' '.join(COLOURS).split())
    return sorted(out)


@functools.lru_cache(None)
def tokenizer():
    """CLIP's, reduced to the merges that the words of captions need: these words get the tokens that CLIP's own gives them; any other falls into smaller pieces."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'src', 'text', 'merges.txt.gz')
    lines = gzip.open(path, 'rt', encoding='utf-8').read().split('\n')[1:]
    whole = Tokenizer([tuple(x.split(' ')) for x in lines if x])
    for w in all_words():
        whole.word(w)
    return Tokenizer([m for m in whole.merges if m in whole.used])


# ---- objects with captions
def kit(f, n, gen):
    """To draw n objects of a family with."""
    return Named(n, gen, 'cpu', [i for i, e in enumerate(SPEC[f.__name__].split()) if e == 'T'])


def notes(f, b):
    """[(family, values)] of what a kit has drawn."""
    return [(f.__name__, r) for r in torch.stack([v.double() for _, v in b.drawn], 1).tolist()]


def make(n, seed, families=None):
    """n objects in random order, as their families made them, and [(family, values)], what was drawn for each."""
    gen = torch.Generator().manual_seed(seed)
    families = families or FAMILIES
    per = -(-n // len(families))
    objs, told = [], []
    for f in families:
        b = kit(f, per, gen)
        f(b)
        objs.append(b.o)
        told += notes(f, b)
    order = torch.randperm(len(told), generator=gen)[:n].tolist()
    return torch.cat(objs)[order].contiguous(), [told[i] for i in order]


def draw(n, seed, dev, families=None):
    """make(), fitted to the unit cube: objects.draw() with named colours."""
    objs, told = make(n, seed, families)
    return ob.fit(objs.to(dev)), told


def _tokens(job):
    """Tokens and told slots of some objects' captions"""
    some, seed, variants = job
    rng, tok = random.Random(seed), tokenizer()
    ids, told = [], []
    for family, values in some:
        kind, fs = facts(family, values)
        for _ in range(variants):
            text, t = caption(kind, fs, rng)
            ids.append(tok(text))
            row = [0] * SLOTS
            for f in t:
                row[f[0]] = 2 if f[1] == 'C' else 1
            told.append(row)
    return np.array(ids, np.int16), np.array(told, np.int8)


def encode(all_notes, seed, variants=8, workers=0):
    """Tokens [objects, variants, 77] and what each caption tells [objects, variants, slots] (0 nothing, 1 a value, 2 a colour)."""
    step = 256
    jobs = [(all_notes[i:i + step], seed * 100003 + i, variants) for i in range(0, len(all_notes), step)]
    if workers > 1:
        import multiprocessing as mp
        with mp.get_context('fork').Pool(workers) as pool:
            parts = pool.map(_tokens, jobs)
    else:
        parts = [_tokens(j) for j in jobs]
    ids, told = (torch.from_numpy(np.concatenate(x)) for x in zip(*parts))
    return ids.view(len(all_notes), variants, -1), told.view(len(all_notes), variants, -1)


def targets(all_notes):
    """Kind [n], values [n, slots] and colours [n, slots, 3] of the named draws."""
    kind = torch.zeros(len(all_notes), dtype=torch.long)
    val, col = torch.zeros(len(all_notes), SLOTS), torch.zeros(len(all_notes), SLOTS, 3)
    for k, (family, values) in enumerate(all_notes):
        kind[k] = KINDS.index(facts(family, values)[0])
        for slot, (i, letter, *_) in enumerate(entries(family)):
            if letter == 'C':
                col[k, slot] = RGB[int(values[i])]
            else:
                val[k, slot] = values[i]
    return kind, val, col


def named_colours(family, values, most=8):
    """Colours that a full caption names, the main one first, [most, 3], -1 where there is none."""
    fs = [f for f in facts(family, values)[1] if f[1] == 'C']
    fs.sort(key=lambda f: not f[5])
    out = torch.full((most, 3), -1.)
    seen = []
    for f in fs:
        if int(f[4]) not in seen and len(seen) < most:
            out[len(seen)] = RGB[int(f[4])]
            seen.append(int(f[4]))
    return out
