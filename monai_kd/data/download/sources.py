# SPDX-License-Identifier: Apache-2.0
"""
The sources of the public data sets, with license, terms, files and checksums.

None of these addresses could be tried when this was written. They were collected in November 2026 from stored copies
of public pages and code:

``busi``
    Several public projects (torch-em's ``busi.py`` among them) name this address as the link of the publisher's page.
    The publisher gives no checksum and no size. torch-em checks the SHA-256 that is given here as ``seen``. It
    downloads without verifying the server's certificate, which was invalid; that is never done here. The page names
    no license; the article (Data in Brief) must be cited.
``busbra``
    Zenodo record 8231412, version 1.0. Its API gives the MD5 1f8b2be6476d58fc97bfb5e5a1ea9bab, which three public
    projects repeat. Two independent projects (torch-em is one) check the SHA-256 given here, and one of them also the
    MD5 of the same file. Zenodo's files do not change. The license is LICENSE.txt in the archive.
``breast``
    Three public projects name these addresses as the links of the collection's page at The Cancer Imaging Archive.
    The publisher gives no checksums; those in ``seen`` were recorded by one project (images) and by two (table). The
    license is in the abstract of the article.
``busuclm``
    The address has the form of Mendeley Data's download button for other data sets; three public projects name
    version 3. The authors' README gives a copy of version 1 at
    https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/7fvgj4jsp7-1.zip. The archive is packed on
    demand, so there is no checksum. Versions 1 and 2 were reported as CC BY-NC, version 3 as CC BY 4.0.

If the publisher gives no checksum, the SHA-256 of the first download is kept in ``download.json``, and later downloads
into the same folder must have the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from monai_kd.utils.messages import closest

CC_BY = "https://creativecommons.org/licenses/by/4.0/"


@dataclass(frozen=True)
class RemoteFile:
    """
    One file to download; an archive ``.zip`` is unpacked.

    Args:
        address: of the publisher.
        name: of the downloaded file.
        size: in bytes, 0 if unknown.
        sha256: required checksum; empty if the publisher gives none.
        seen: checksum that others have found; a difference is reported, but not refused.
    """

    address: str
    name: str
    size: int = 0
    sha256: str = ""
    seen: str = ""


@dataclass(frozen=True)
class Source:
    """
    One data set at its publisher.

    Args:
        page: the publisher's web page about it.
        license: its name.
        terms: what the license requires, in words.
        citation: the article to cite.
    """

    title: str
    page: str
    license: str
    terms: str
    citation: str
    files: tuple[RemoteFile, ...]


SOURCES = {
    "busi": Source(
        title="BUSI, Breast Ultrasound Images (780 images)",
        page="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        license="no standard license; see the publisher's page",
        terms="The publisher names none. Cite the article; ask the authors about any use beyond research.",
        citation="Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 28, 2020, "
        "doi 10.1016/j.dib.2019.104863",
        files=(
            RemoteFile(
                "https://scholar.cu.edu.eg/Dataset_BUSI.zip",
                "Dataset_BUSI.zip",
                seen="b2ce09f6063a31a73f628b6a6ee1245187cbaec225e93e563735691d68654de7",
            ),
        ),
    ),
    "busbra": Source(
        title="BUS-BRA (1875 images of 1064 patients, 134 MB)",
        page="https://zenodo.org/records/8231412",
        license="the publisher's own, LICENSE.txt in the archive",
        terms="Use, change and redistribution are allowed; publications must cite the article; no warranty.",
        citation="Gómez-Flores et al., BUS-BRA: A breast ultrasound dataset for assessing computer-aided diagnosis "
        "systems, Medical Physics 51, 2024, doi 10.1002/mp.16812",
        files=(
            RemoteFile(
                "https://zenodo.org/records/8231412/files/BUSBRA.zip?download=1",
                "BUSBRA.zip",
                size=133917740,
                sha256="ba3e6ed19cc37c682d8d39e25435bbf8a555a12cb7e641b5f2117685c95580ff",
            ),
        ),
    ),
    "breast": Source(
        title="BrEaST, Breast-Lesions-USG (256 images of 256 patients)",
        page="https://www.cancerimagingarchive.net/collection/breast-lesions-usg/",
        license=f"CC BY 4.0, {CC_BY}",
        terms="Any use, with attribution; The Cancer Imaging Archive's data usage policy holds besides.",
        citation="Pawłowska et al., Curated benchmark dataset for ultrasound based breast lesion analysis, Scientific "
        "Data 11, 2024, doi 10.1038/s41597-024-02984-z; collection doi 10.7937/9WKK-Q141",
        files=(
            RemoteFile(
                "https://www.cancerimagingarchive.net/wp-content/uploads/"
                "BrEaST-Lesions_USG-images_and_masks-Dec-15-2023.zip",
                "BrEaST-Lesions_USG-images_and_masks-Dec-15-2023.zip",
                seen="c32e49cdfa54042e065582d0cb35978b5fc5e5b5e461b33bf773fb50cfdad355",
            ),
            RemoteFile(
                "https://www.cancerimagingarchive.net/wp-content/uploads/"
                "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx",
                "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx",
                seen="89a8874496a6f1f93960390b963f7369b90f7e72ee08a738f2d17e37f5eff8bf",
            ),
        ),
    ),
    "busuclm": Source(
        title="BUS-UCLM (683 images of 38 patients)",
        page="https://data.mendeley.com/datasets/7fvgj4jsp7/3",
        license=f"CC BY 4.0, {CC_BY}",
        terms="Any use, with attribution. Earlier versions were given out for non-commercial use: see the page.",
        citation="Vallez et al., BUS-UCLM: Breast ultrasound lesion segmentation dataset, Scientific Data 12, 2025, "
        "doi 10.1038/s41597-025-04562-3; data doi 10.17632/7fvgj4jsp7",
        files=(RemoteFile("https://data.mendeley.com/public-api/zip/7fvgj4jsp7/download/3", "7fvgj4jsp7-3.zip"),),
    ),
}
"""The data sets to download, by name."""

ON_REQUEST = {
    "dataset_a": "Dataset_A (Yap et al. 2018; elsewhere Dataset B or UDIAT, 163 images) is given out on request only, "
    "for research, after signing an agreement. Ask for it at https://helward.mmu.ac.uk/STAFF/M.Yap/dataset.php "
    "(formerly http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php), copy original/, GT/ and DatasetB.xlsx into one "
    "folder, and check it: python -m monai_kd data check FOLDER. To try everything out until then: "
    "python -m monai_kd data phantom --output-dir FOLDER. Please cite Yap et al., IEEE Journal of Biomedical and "
    "Health Informatics 22(4), 2018, doi 10.1109/JBHI.2017.2731873."
}
"""The data sets that are available on request only, by name, and how to request them."""


def find_source(name: str) -> Source:
    """
    The source of a data set, one of ``SOURCES``.

    Raises:
        ValueError: When there is no such data set, or it is available on request only.

    Example:
        >>> find_source("busbra").page
        'https://zenodo.org/records/8231412'
        >>> find_source("bus-bra")
        Traceback (most recent call last):
        ValueError: No data set 'bus-bra'. Closest: 'busbra'. Known: breast, busbra, busi, busuclm; on request: ...
    """
    if name in SOURCES:
        return SOURCES[name]
    if name in ON_REQUEST:
        raise ValueError(f"Nothing was downloaded. {ON_REQUEST[name]}")
    raise ValueError(
        f"No data set {name!r}. Closest: {closest(name.lower(), [*SOURCES, *ON_REQUEST])!r}. Known: "
        f"{', '.join(sorted(SOURCES))}; on request: {', '.join(ON_REQUEST)}."
    )
