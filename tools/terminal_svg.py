# SPDX-License-Identifier: MIT
"""Terminals as SVG: what `tmux capture-pane -e -p` prints, still or one after the other.

Cells stand on a grid, whatever font the reader has: each run of equal letters has its own place and length. No script, no
font, no link is in the file, so it shows wherever an image does.
"""
import dataclasses
import html
import re
import unicodedata

CELL_WIDTH, CELL_HEIGHT, BASE_LINE = 8.4, 18, 13.5
MARGIN, BAR = 14, 30
BACKGROUND, FOREGROUND, FRAME = '#1b1e27', '#d5d9e2', '#2a2f3c'
PALETTE = ['#2a2f3c', '#e0697a', '#8fc97d', '#e3c078', '#7aa9f0', '#c792ea', '#6cc7d1', '#d5d9e2',
           '#6b7285', '#f08a97', '#a8e094', '#f0d08f', '#98bff7', '#d9aef5', '#8ddbe4', '#ffffff']
ESCAPES = re.compile(r'\x1b\[([0-9;]*)m|\x1b[()][A-Z0-9]|\x1b\[[0-9;?]*[A-Za-ln-z]|[\x0e\x0f]|\x1b\].*?(?:\x07|\x1b\\)')
LINES = str.maketrans('qxlkmjtuwvn', '─│┌┐└┘├┤┬┴┼')


@dataclasses.dataclass(frozen=True)
class Style:
    foreground: str = ''
    background: str = ''
    bold: bool = False
    dim: bool = False
    reverse: bool = False


def colour_of(number):
    """One of the 256."""
    if number < 16:
        return PALETTE[number]
    if number >= 232:
        return '#' + f'{8 + 10 * (number - 232):02x}' * 3
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return f'#{levels[number // 36]:02x}{levels[number // 6 % 6]:02x}{levels[number % 6]:02x}'


def restyle(style, codes):
    """The style after the numbers of one SGR sequence."""
    numbers = [int(code or 0) for code in codes.split(';')]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            style = Style()
        elif code in (1, 2, 7):
            style = dataclasses.replace(style, **{{1: 'bold', 2: 'dim', 7: 'reverse'}[code]: True})
        elif code == 22:
            style = dataclasses.replace(style, bold=False, dim=False)
        elif code == 27:
            style = dataclasses.replace(style, reverse=False)
        elif code in (38, 48) and numbers[:1] == [5] and len(numbers) > 1:
            style = dataclasses.replace(style, **{'foreground' if code == 38 else 'background': colour_of(numbers[1])})
            del numbers[:2]
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = dataclasses.replace(style, foreground=PALETTE[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = dataclasses.replace(style, background=PALETTE[code - 40 if code < 100 else code - 92])
        elif code in (39, 49):
            style = dataclasses.replace(style, **{'foreground' if code == 39 else 'background': ''})
    return style


def width_of(text):
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in 'WF' else 1
               for letter in text)


def runs_of(line, style):
    """[(column, text, style)] of one captured line, and the style at its end."""
    runs, column, at, graphics = [], 0, 0, False
    pieces = []
    for match in ESCAPES.finditer(line):
        pieces += [(line[at:match.start()], None), ('', match)]
        at = match.end()
    pieces.append((line[at:], None))
    for text, match in pieces:
        if match is not None:
            if match.group(1) is not None:
                style = restyle(style, match.group(1))
            elif match.group(0) in '\x0e\x0f':
                graphics = match.group(0) == '\x0e'
            continue
        if text:
            text = text.translate(LINES) if graphics else text
            runs.append((column, text, style))
            column += width_of(text)
    return runs, style


def draw_run(column, text, style):
    """The SVG of one run, at the left top corner of its row."""
    foreground, background = style.foreground or FOREGROUND, style.background or BACKGROUND
    if style.reverse:
        foreground, background = background, foreground
    wide, x = width_of(text) * CELL_WIDTH, column * CELL_WIDTH
    parts = []
    if background != BACKGROUND:
        parts.append(f'<rect x="{x:.1f}" width="{wide:.1f}" height="{CELL_HEIGHT}" fill="{background}"/>')
    attributes = f' fill="{foreground}"' if foreground != FOREGROUND else ''
    attributes += ' font-weight="bold"' if style.bold else ''
    attributes += ' opacity=".62"' if style.dim else ''
    # Spaces that follow each other are not everywhere shown as many: what stands between them has its own place.
    for word in re.finditer(r'\S+(?: \S+)*', text):
        start = x + width_of(text[:word.start()]) * CELL_WIDTH
        length = width_of(word.group()) * CELL_WIDTH
        if set(word.group()) == {'─'}:
            faint = ' opacity=".5"' if style.dim else ''
            parts.append(f'<path d="M{start:.1f} {CELL_HEIGHT / 2}h{length:.1f}" stroke="{foreground}"{faint}/>')
        else:
            parts.append(f'<text x="{start:.1f}" y="{BASE_LINE}" textLength="{length:.1f}"{attributes}>'
                         f'{html.escape(word.group(), quote=False)}</text>')
    return ''.join(parts)


def draw_rows(capture, rows):
    """The SVG of each row of one capture."""
    drawn, style = [], Style()
    lines = capture.split('\n')[:rows]
    for line in lines + [''] * (rows - len(lines)):
        runs, style = runs_of(line, style)
        drawn.append(''.join(draw_run(*run) for run in runs))
    return drawn


def window(columns, rows, title, inside, extra=''):
    """The whole file: a window's frame around what is inside."""
    width, height = columns * CELL_WIDTH + 2 * MARGIN, rows * CELL_HEIGHT + BAR + MARGIN
    dots = ''.join(f'<circle cx="{20 + 18 * i}" cy="15" r="5.5" fill="{colour}"/>'
                   for i, colour in enumerate(('#e0697a', '#e3c078', '#8fc97d')))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{html.escape(title)}">\n'
            f'<style>svg{{font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}}{extra}</style>\n'
            f'<rect width="{width:.0f}" height="{height:.0f}" rx="9" fill="{BACKGROUND}" stroke="{FRAME}"/>{dots}\n'
            f'<text x="{width / 2:.0f}" y="20" text-anchor="middle" fill="{FOREGROUND}" opacity=".6">{html.escape(title)}</text>\n'
            f'<svg x="{MARGIN}" y="{BAR}" width="{columns * CELL_WIDTH:.1f}" height="{rows * CELL_HEIGHT}" fill="{FOREGROUND}">\n{inside}</svg>\n</svg>\n'
            )


def still(capture, columns, rows, title):
    """One capture as an SVG."""
    inside = ''.join(f'<g transform="translate(0 {CELL_HEIGHT * row})">{drawn}</g>\n'
                     for row, drawn in enumerate(draw_rows(capture, rows)) if drawn)
    return window(columns, rows, title, inside)


def film(frames, columns, rows, title, rest=3.0):
    """[(seconds, capture)] as an SVG that plays them again and again; the last one stays for rest seconds. A row that is
    shown several times is stored once."""
    known, defined, shown = {}, [], []
    for _, capture in frames:
        uses = []
        for row, drawn in enumerate(draw_rows(capture, rows)):
            if not drawn:
                continue
            if drawn not in known:
                known[drawn] = f'r{len(known)}'
                defined.append(f'<g id="{known[drawn]}">{drawn}</g>')
            uses.append(f'<use xlink:href="#{known[drawn]}" y="{CELL_HEIGHT * row}"/>')
        shown.append(''.join(uses))
    begin, length = frames[0][0], frames[-1][0] - frames[0][0] + rest
    wide = columns * CELL_WIDTH + 20  # so that nothing of the neighbour shows at the edge
    steps = ''.join(f'{100 * (when - begin) / length:.3f}%{{transform:translateX({-wide * i:.1f}px)}}'
                    for i, (when, _) in enumerate(frames))
    extra = (f'#film{{animation:play {length:.2f}s steps(1,end) infinite}}'
             f'@keyframes play{{{steps}100%{{transform:translateX({-wide * (len(frames) - 1):.1f}px)}}}}')
    inside = '<defs>' + '\n'.join(defined) + '</defs>\n<g id="film">\n'
    inside += '\n'.join(f'<g transform="translate({wide * i:.1f} 0)">{uses}</g>' for i, uses in enumerate(shown))
    return window(columns, rows, title, inside + '\n</g>\n', extra)
