"""What pandoc leaves undone in a Word file: A4 pages, turned ones for wide tables, page numbers, contents that can be
read before Word has counted the pages, captions that Word can number, and rows that stay whole."""

from __future__ import annotations

import html
import io
import re
import zipfile

INCH = 1440  # Word measures in twentieths of a point
PAGE, MARGIN = (11906, 16838), 1417  # A4, with 25 mm round the text
TEXT_WIDTH = (PAGE[0] - 2 * MARGIN) / INCH  # inches
FIGURE_HEIGHT = 8.0  # inches: what the page has left for a figure under its caption and above its source

SHORT = 15  # rows of a table that is kept whole
FIRST = 6  # rows of a longer one, its heading among them, that stay with the caption

_FOOTER, _FOOTER_ID = "word/footer.xml", "rIdFooter"
_NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_UPDATE = '<w:updateFields w:val="true"/>'
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer"
_CONTENT = "application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"


def _page(flipped: bool) -> str:
    """A section's properties, without its first page's own rule."""
    width, height = PAGE[::-1] if flipped else PAGE
    sides = " ".join(f'w:{side}="{MARGIN}"' for side in ("top", "right", "bottom", "left"))
    turned = ' w:orient="landscape"' if flipped else ""
    return (
        f'<w:footerReference w:type="default" r:id="{_FOOTER_ID}"/><w:pgSz w:w="{width}" w:h="{height}"{turned}/>'
        f'<w:pgMar {sides} w:header="708" w:footer="708" w:gutter="0"/>'
    )


def section(flipped: bool) -> str:
    """The paragraph that ends a section of upright pages or, if `flipped`, of turned ones."""
    return f'<w:p><w:pPr><w:pStyle w:val="SectionEnd"/><w:sectPr>{_page(flipped)}</w:sectPr></w:pPr></w:p>'  # no text


def finished(docx: bytes) -> bytes:
    """pandoc's Word file completed, with fixed times inside, so that the same report is the same bytes."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(docx)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as new,
    ):
        parts = {item.filename: old.read(item.filename) for item in old.infolist()}
        title = re.search(r"<dc:title>(.*?)</dc:title>", parts["docProps/core.xml"].decode())
        parts[_FOOTER] = _footer(title[1] if title else "").encode()
        for name, change in (
            ("word/document.xml", _document),
            ("word/_rels/document.xml.rels", _relations),
            ("[Content_Types].xml", _contents_types),
            ("word/settings.xml", _settings),
        ):
            parts[name] = change(parts[name].decode()).encode()
        for name in sorted(parts, key=lambda n: (n != "[Content_Types].xml", n)):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            # Pictures are compressed already.
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            new.writestr(entry, parts[name])
    return out.getvalue()


def _footer(title: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<w:ftr {_NAMESPACES}><w:p><w:pPr><w:pStyle w:val="Footer"/></w:pPr>'
        f'<w:r><w:t xml:space="preserve">{title}    </w:t></w:r>'
        '<w:fldSimple w:instr="PAGE"><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p></w:ftr>'
    )


def _relations(xml: str) -> str:
    return xml.replace(
        "</Relationships>", f'<Relationship Type="{_KIND}" Id="{_FOOTER_ID}" Target="footer.xml"/></Relationships>'
    )


def _contents_types(xml: str) -> str:
    return xml.replace("</Types>", f'<Override PartName="/{_FOOTER}" ContentType="{_CONTENT}"/></Types>')


def _settings(xml: str) -> str:
    """Word asked to count the pages of the contents when it opens the file. The place is the schema's."""
    return re.sub(r"(?=<w:(?:hdrShapeDefaults|footnotePr|endnotePr|compat|rsids)\b)", _UPDATE, xml, count=1)


def _document(xml: str) -> str:
    """document.xml with sections, contents and tables as the page needs them."""
    last = xml.rindex("<w:sectPr>")
    end = "<w:sectPr>" + _page(False) + "</w:sectPr>"
    xml = xml[:last] + end + xml[xml.index("</w:sectPr>", last) + len("</w:sectPr>") :]
    # The title page, in the first section, has no footer.
    xml = xml.replace("</w:sectPr>", "<w:titlePg/></w:sectPr>", 1)
    pieces = re.split(r"(<w:sectPr>.*?</w:sectPr>)", xml, flags=re.DOTALL)
    for place in range(0, len(pieces) - 1, 2):
        width = PAGE['w:orient="landscape"' in pieces[place + 1]] - 2 * MARGIN
        pieces[place] = re.sub(
            r"<w:tbl>.*?</w:tbl>", lambda found, width=width: _table(found[0], width), pieces[place], flags=re.DOTALL
        )
    return _contents(_captions("".join(pieces)))


_CAPTION = re.compile(
    r'<w:r>(<w:rPr>(?:(?!</w:rPr>).)*</w:rPr>)<w:t xml:space="preserve">(Table|Figure) (\w+)\.(\d+)\.</w:t></w:r>'
)


def _captions(xml: str) -> str:
    """Numbers of captions as fields that count, with what they show now. The first of a chapter begins again."""

    def numbered(found: re.Match[str]) -> str:
        look, kind, chapter, number = found.groups()

        def run(text: str) -> str:
            return f'<w:r>{look}<w:t xml:space="preserve">{text}</w:t></w:r>'

        again = r" \r 1" if number == "1" else ""
        field = f'<w:fldSimple w:instr=" SEQ {kind} \\* ARABIC{again} ">{run(number)}</w:fldSimple>'
        return run(f"{kind} {chapter}.") + field + run(".")

    return _CAPTION.sub(numbered, xml)


def _table(xml: str, width: int) -> str:
    """A table as wide as the text, its rows never split between pages and, if it is short, kept on one page; of a longer
    one the first rows stay with the caption. The last row stays with the note below."""
    shares = [int(share) for share in re.findall(r'<w:gridCol w:w="(\d+)"', xml)]
    grid = "".join(f'<w:gridCol w:w="{round(share * width / sum(shares))}"/>' for share in shares)
    xml = re.sub(r"<w:tblGrid>.*?</w:tblGrid>", f"<w:tblGrid>{grid}</w:tblGrid>", xml, flags=re.DOTALL)
    xml = re.sub(r"<w:tblW [^>]*>", f'<w:tblW w:type="dxa" w:w="{width}"/>', xml)
    xml = xml.replace("<w:tr><w:trPr>", "<w:tr><w:trPr><w:cantSplit/>")
    xml = re.sub(r"<w:tr>(?!<w:trPr>)", "<w:tr><w:trPr><w:cantSplit/></w:trPr>", xml)
    head, *rows = xml.split("<w:tr>")
    kept = [
        _kept(row) if len(rows) <= SHORT or place < FIRST or place == len(rows) - 1 else row
        for place, row in enumerate(rows)
    ]
    return "<w:tr>".join([head, *kept])


def _kept(row: str) -> str:
    """A table's row that stays on the page of the next."""
    return re.sub(r'(<w:pStyle w:val="Table\w+" ?/>)', r"\1<w:keepNext/>", row)


_HEADING = re.compile(
    r'<w:bookmarkStart w:id="\d+" w:name="([^"]+)" ?/>\s*<w:p><w:pPr><w:pStyle w:val="Heading([12])" ?/></w:pPr>(.*?)</w:p>',
    re.DOTALL,
)


def _page_of(name: str) -> str:
    """A field that shows the page of a bookmark, empty until the pages are counted."""
    marks = [f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")]
    asked = f'<w:r><w:instrText xml:space="preserve"> PAGEREF {name} \\h </w:instrText></w:r>'
    return f"{marks[0]}{asked}{marks[1]}{marks[2]}"


def _contents(xml: str) -> str:
    """The contents as a list of links, each with a field for its page, in place of an empty field."""
    begin = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve">TOC \\o "1-2" \\h \\z \\u'
        '</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
    )
    lines: list[str] = []
    for name, level, runs in _HEADING.findall(xml):
        words = html.unescape("".join(re.findall(r"<w:t[^>]*>(.*?)</w:t>", runs, flags=re.DOTALL)))
        text = f"<w:r><w:t>{html.escape(words)}</w:t></w:r><w:r><w:tab/></w:r>"
        link = f'<w:hyperlink w:anchor="{name}" w:history="1">{text}{_page_of(name)}</w:hyperlink>'
        lines.append(f'<w:p><w:pPr><w:pStyle w:val="TOC{level}"/></w:pPr>{"" if lines else begin}{link}</w:p>')
    end = '<w:p><w:pPr><w:pStyle w:val="TOC1"/></w:pPr><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    field = r'<w:p><w:r><w:fldChar w:fldCharType="begin" w:dirty="true" ?/>.*?</w:p>(?=</w:sdtContent>)'
    return re.sub(field, lambda _: "".join(lines) + end, xml, count=1, flags=re.DOTALL) if lines else xml
