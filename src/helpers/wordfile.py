"""What pandoc leaves undone in a Word file: A4 pages, turned ones for wide tables, page numbers, contents that can be
read before Word has counted the pages, and rows that stay whole."""

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

_FOOTER, _FOOTER_ID = "word/footer.xml", "rIdFooter"
_NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
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
    return _contents("".join(pieces))


def _table(xml: str, width: int) -> str:
    """A table as wide as the text, its rows never split between pages and, if it is short, kept on one page; the last
    row stays with the note below."""
    shares = [int(share) for share in re.findall(r'<w:gridCol w:w="(\d+)"', xml)]
    grid = "".join(f'<w:gridCol w:w="{round(share * width / sum(shares))}"/>' for share in shares)
    xml = re.sub(r"<w:tblGrid>.*?</w:tblGrid>", f"<w:tblGrid>{grid}</w:tblGrid>", xml, flags=re.DOTALL)
    xml = re.sub(r"<w:tblW [^>]*>", f'<w:tblW w:type="dxa" w:w="{width}"/>', xml)
    xml = xml.replace("<w:tr><w:trPr>", "<w:tr><w:trPr><w:cantSplit/>")
    xml = re.sub(r"<w:tr>(?!<w:trPr>)", "<w:tr><w:trPr><w:cantSplit/></w:trPr>", xml)
    start = 0 if xml.count("<w:tr>") <= SHORT else xml.rindex("<w:tr>")
    return xml[:start] + re.sub(r'(<w:pStyle w:val="Table\w+" ?/>)', r"\1<w:keepNext/>", xml[start:])


_HEADING = re.compile(
    r'<w:bookmarkStart w:id="\d+" w:name="([^"]+)" ?/>\s*<w:p><w:pPr><w:pStyle w:val="Heading([12])" ?/></w:pPr>(.*?)</w:p>',
    re.DOTALL,
)


def _contents(xml: str) -> str:
    """The contents as a list of links in place of an empty field. Word adds page numbers when asked to update it."""
    begin = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve">TOC \\o "1-2" \\h \\z \\u'
        '</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
    )
    lines: list[str] = []
    for name, level, runs in _HEADING.findall(xml):
        words = html.unescape("".join(re.findall(r"<w:t[^>]*>(.*?)</w:t>", runs, flags=re.DOTALL)))
        link = f'<w:hyperlink w:anchor="{name}" w:history="1"><w:r><w:t>{html.escape(words)}</w:t></w:r></w:hyperlink>'
        lines.append(f'<w:p><w:pPr><w:pStyle w:val="TOC{level}"/></w:pPr>{"" if lines else begin}{link}</w:p>')
    end = '<w:p><w:pPr><w:pStyle w:val="TOC1"/></w:pPr><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    field = r'<w:p><w:r><w:fldChar w:fldCharType="begin" w:dirty="true" ?/>.*?</w:p>(?=</w:sdtContent>)'
    return re.sub(field, lambda _: "".join(lines) + end, xml, count=1, flags=re.DOTALL) if lines else xml
