"""Lossless results hold the source's own samples; sizes, formats and tags stay."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.media.comparison import compare_files
from lipdub.media.frame_index import IMAGE_RATE, read_frame_times
from lipdub.media.frame_tags import BOTTOM_FIELD_FIRST, PROGRESSIVE, TOP_FIELD_FIRST, read_frame_tags
from lipdub.media.mux import mux
from lipdub.media.mux_plan import PictureInput, SourceInput
from lipdub.media.pixel_formats import plane_layout, view_plane
from lipdub.media.probe import MediaFacts, probe
from lipdub.media.read import SourceFrame, read_frames
from lipdub.media.video_encoder import VideoCodec, plan_encoder
from lipdub.media.write import write_segment
from tests.media.clips import make_interlaced, make_video

ROOT = Path(__file__).parents[2]
MS_BASE: dict = {"time_base": Fraction(1, 1000)}
MS = {"time_base": Fraction(1, 1000), "pts": [n * 40 for n in range(12)]}
QUIET = {"x265-params": "log-level=none"}
# name -> how the source is made, and the endings of the results to try
CASES: dict[str, tuple[dict, tuple[str, ...]]] = {
    "h264.mp4": ({"colour": (1, 1, 1, 1)}, (".mp4", ".mov", ".mkv", ".webm", ".avi")),
    "full range.mp4": ({"pix_fmt": "yuvj420p"}, (".mp4", ".webm")),
    "422.mp4": ({"pix_fmt": "yuv422p", "colour": (1, 5, 5, 6)}, (".mp4",)),
    "444.mp4": ({"pix_fmt": "yuv444p"}, (".mov", ".webm")),
    "ten bits.mp4": ({"pix_fmt": "yuv420p10le", "colour": (1, 9, 9, 18)}, (".mp4", ".mkv")),
    "hevc.mp4": (
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "colour": (1, 9, 9, 16), "options": QUIET},
        (".mp4", ".mkv"),
    ),
    "hevc rgb.mp4": ({"codec": "libx265", "pix_fmt": "gbrp", "options": QUIET}, (".mp4",)),
    "opacity.mkv": (dict(codec="ffv1", pix_fmt="yuva444p", **MS), (".mkv",)),
    "twelve bits.mkv": (dict(codec="ffv1", pix_fmt="yuv422p12le", **MS), (".mkv", ".mp4")),
    "grey.mkv": (dict(codec="ffv1", pix_fmt="gray16le", **MS), (".mkv",)),
    "vp9.webm": (dict(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}, **MS), (".webm", ".mp4")),
    "prores.mov": ({"codec": "prores_ks", "pix_fmt": "yuv422p10le"}, (".mov", ".mkv")),
    "odd.mkv": (dict(codec="mpeg4", size=(63, 47), **MS), (".mkv", ".mp4", ".webm", ".avi")),
    "turned.mp4": ({"rotation": 90, "size": (96, 48)}, (".mp4", ".mov", ".mkv")),
    "mirrored.mp4": ({"rotation": -90, "hflip": True, "size": (96, 48)}, (".mp4", ".mkv")),
    "aspect.mp4": ({"aspect": Fraction(16, 11)}, (".mp4", ".mkv")),
    "uneven.mp4": (
        {"pts": [507, 1000, 1400, 3000, 3100, 9000, 9500, 9600, 12000], "time_base": Fraction(1, 15360)},
        (".mp4", ".mov", ".mkv"),
    ),
    "jpegs.mp4": ({"codec": "mjpeg", "pix_fmt": "yuvj422p"}, (".mp4",)),
}


def encode(folder: Path, source: Path, out: Path, codec: VideoCodec) -> tuple[MediaFacts, list[SourceFrame]]:
    """The source's frames through two segments and the muxer."""
    facts = probe(source)
    assert facts.video is not None
    frames = list(read_frames(source))
    codec = replace(codec, container=out.suffix)
    half = len(frames) // 2
    segments = [folder / "0.seg", folder / "1.seg"] if half else [folder / "0.seg"]
    for segment, part in zip(segments, (frames[half:], frames[:half])[:: -1 if half else 1], strict=False):
        assert write_segment(segment, ((f.picture, f.pts) for f in part), facts.video, codec, 1) == len(part)
    mux(PictureInput(segments), None, SourceInput(source, facts), out)
    return facts, frames


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize("name", CASES)
def test_lossless_is_exact(tmp_path: Path, name: str) -> None:
    how, endings = CASES[name]
    source = make_video(tmp_path / name, **how)
    for ending in endings:
        out = tmp_path / f"out{ending}"
        facts, frames = encode(tmp_path, source, out, VideoCodec(lossless=True))
        before, after = facts.video, probe(out).video
        assert before is not None and after is not None
        results = list(read_frames(out))
        assert len(results) == len(frames)
        for a, b in zip(frames, results, strict=True):
            assert len(a.picture.planes) == len(b.picture.planes)
            for x, y in zip(a.picture.planes, b.picture.planes, strict=True):
                assert np.array_equal(x, y), (name, ending, a.index)
        assert after.planar.replace("yuvj", "yuv") == before.planar.replace("yuvj", "yuv")
        for fact in ("width", "height", "rotation", "mirrored", "bit_depth", "frames"):
            assert getattr(after, fact) == getattr(before, fact), (name, ending, fact)
        assert (after.sample_aspect or 1) == (before.sample_aspect or 1)
        assert after.colour.full_range == before.colour.full_range
        for tag in ("matrix", "primaries", "transfer"):
            if getattr(before.colour, tag) != "unspecified" and ending not in (".webm", ".avi"):
                assert getattr(after.colour, tag) == getattr(before.colour, tag), (name, ending, tag)
        if ending in (".mp4", ".mov"):
            assert np.array_equal(read_frame_times(out), read_frame_times(source)) and after.duration == before.duration
        elif ending != ".avi":
            assert np.abs(read_frame_times(out) - read_frame_times(source)).max() <= 0.0005 + 1e-9


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("name", "codec", "ending"),
    [
        ("h264.mp4", "auto", ".mp4"),
        ("hevc.mp4", "auto", ".mp4"),
        ("h264.mp4", "vp9", ".webm"),
        ("h264.mp4", "av1", ".mp4"),
        ("h264.mp4", "prores", ".mov"),
        ("turned.mp4", "hevc", ".mkv"),
        ("uneven.mp4", "auto", ".mp4"),
        ("prores.mov", "auto", ".mov"),
        ("odd.mkv", "h264", ".mov"),
        ("opacity.mkv", "auto", ".mov"),
        ("opacity.mkv", "h264", ".mp4"),
        ("grey.mkv", "auto", ".mp4"),
    ],
)
def test_lossy_looks_alike(tmp_path: Path, name: str, codec: str, ending: str) -> None:
    how, _ = CASES[name]
    if codec == "av1":
        how = how | {"size": (96, 64)}
    source = make_video(tmp_path / name, **how)
    out = tmp_path / f"out{ending}"
    facts, frames = encode(tmp_path, source, out, VideoCodec(codec))
    after = probe(out).video
    assert after is not None and facts.video is not None
    expected = facts.video.codec if codec == "auto" and ending != ".mov" and name != "grey.mkv" else codec
    assert codec == "auto" or after.codec == expected
    assert (after.width, after.height, after.rotation) == (facts.video.width, facts.video.height, facts.video.rotation)
    assert np.abs(read_frame_times(out) - read_frame_times(source)).max() <= 0.0005
    for a, b in zip(frames, read_frames(out), strict=True):
        difference = a.picture.rgb() / a.picture.scale - b.picture.rgb() / b.picture.scale
        assert np.sqrt((difference**2).mean()) < 0.06, (name, codec)
    if name == "opacity.mkv" and ending == ".mov":
        assert b.picture.layout.alpha


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_the_picture_keeps_its_roles_and_is_the_default(tmp_path: Path, codec: str) -> None:
    source, out = tmp_path / "a.mkv", tmp_path / "out.mkv"
    with av.open(str(make_video(tmp_path / "b.mkv", **MS))) as given, av.open(str(source), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        stream.disposition = Disposition.default | Disposition.original
        for packet in given.demux():
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    encode(tmp_path, source, out, VideoCodec(codec))
    with av.open(str(out)) as result:
        assert result.streams.video[0].disposition == Disposition.default | Disposition.original


H26X = [("libx264", ".mp4"), ("libx264", ".mkv"), ("libx265", ".mp4"), ("libx265", ".mov")]
PRORES_TAGS = {"0": "apco", "1": "apcs", "2": "apcn", "3": "apch", "4": "ap4h", "5": "ap4x"}


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("ending", [".mov", ".mkv"])
@pytest.mark.parametrize("profile", PRORES_TAGS)
def test_prores_keeps_its_flavour(tmp_path: Path, profile: str, ending: str) -> None:
    pix_fmt = "yuva444p10le" if profile in "45" else "yuv422p10le"
    source = make_video(
        tmp_path / "a.mov", codec="prores_ks", pix_fmt=pix_fmt, options={"profile": profile}, pts=range(4)
    )
    out = tmp_path / f"out{ending}"
    facts, _ = encode(tmp_path, source, out, VideoCodec())
    before, after = facts.video, probe(out).video
    assert before is not None
    assert after is not None
    assert after.profile == before.profile
    assert plane_layout(after.planar).alpha == (profile in "45")  # type: ignore[union-attr]
    with av.open(str(out)) as file:
        tag = file.streams.video[0].codec_context.codec_tag
        # Matroska has the tag in its private data, where the decoder finds the profile.
        assert tag == (PRORES_TAGS[profile] if ending == ".mov" else tag)


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(("order", "name"), [("tff", TOP_FIELD_FIRST), ("bff", BOTTOM_FIELD_FIRST)])
@pytest.mark.parametrize(
    ("file", "options", "endings"),
    [
        ("h264.mp4", ("-c:v", "libx264", "-x264-params", "{}=1", "-pix_fmt", "yuv420p"), (".mp4", ".mov", ".avi")),
        ("h264 422.mkv", ("-c:v", "libx264", "-x264-params", "{}=1", "-pix_fmt", "yuv422p10le"), (".mkv",)),
        ("mpeg2.ts", ("-c:v", "mpeg2video", "-pix_fmt", "yuv420p"), (".mp4",)),
        ("prores.mov", ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"), (".mov", ".mkv", ".mp4")),
        ("ffv1.mkv", ("-c:v", "ffv1", "-pix_fmt", "yuv420p"), (".mkv",)),
        ("v210.mov", ("-c:v", "v210", "-pix_fmt", "yuv422p10le"), (".mov",)),
    ],
)
def test_interlaced_stays_interlaced(
    tmp_path: Path, order: str, name: str, file: str, options: tuple[str, ...], endings: tuple[str, ...]
) -> None:
    words = [word.format(order) for word in options]
    source = make_interlaced(tmp_path / file, order, *words, "-flags", "+ilme+ildct")
    for ending in endings:
        out = tmp_path / f"out{ending}"
        facts, frames = encode(tmp_path, source, out, VideoCodec())
        before, after = facts.video, probe(out).video
        assert before is not None
        assert after is not None
        assert (before.field_order, after.field_order) == (name, name), ending
        with av.open(str(out)) as media:
            decoded = list(media.decode(video=0))
            assert len(decoded) == len(frames)
            for frame in decoded:
                assert frame.interlaced_frame
                assert read_frame_tags(frame).field_order == name, ending


@pytest.mark.slow
def test_fields_are_coded_where_the_encoder_can(tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-x264-params", "tff=1", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p")
    source = make_interlaced(tmp_path / "a.mp4", "tff", *options)
    facts = probe(source).video
    assert facts is not None
    assert plan_encoder(facts, VideoCodec()).field_order == TOP_FIELD_FIRST
    # x264 codes fields of 4:2:0 in fours of rows only.
    assert plan_encoder(replace(facts, coded_height=66), VideoCodec()).field_order == PROGRESSIVE
    for codec, ending in (("vp9", ".webm"), ("hevc", ".mp4"), ("av1", ".mkv")):
        assert plan_encoder(facts, VideoCodec(codec, container=ending)).field_order == PROGRESSIVE
        out = tmp_path / f"out{ending}"
        encode(tmp_path, source, out, VideoCodec(codec))
        assert "the interlaced coding (top field first)" in compare_files(source, out).lost


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize(
    ("codec", "ending", "place"),
    [
        *((codec, ending, place) for codec, ending in H26X for place in ("left", "center", "topleft", "bottom")),
        ("libsvtav1", ".mp4", "topleft"),
        ("libsvtav1", ".mkv", "topleft"),
        ("libvpx-vp9", ".mkv", "topleft"),
        ("ffv1", ".mkv", "topleft"),
    ],
)
def test_chroma_place_stays(tmp_path: Path, codec: str, ending: str, place: str) -> None:
    options = {"chroma_sample_location": place} | (QUIET if codec == "libx265" else {})
    name = "a.mp4" if codec.startswith("libx") else "a.mkv"
    source = make_video(tmp_path / name, codec=codec, options=options, pts=range(4), size=(96, 64))
    out = tmp_path / f"out{ending}"
    encode(tmp_path, source, out, VideoCodec())
    before, after = probe(source).video, probe(out).video
    assert before is not None
    assert after is not None
    assert (before.colour.chroma_place, after.colour.chroma_place) == (place, place)


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
@pytest.mark.parametrize(
    ("ending", "expected"), [(".mp4", "h264"), (".mov", "h264"), (".mkv", "vp9"), (".webm", "vp9")]
)
def test_vp9_goes_to_mp4_as_h264(tmp_path: Path, codec: str, ending: str, expected: str) -> None:
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}[codec]
    source = make_video(
        tmp_path / "a.webm", codec=name, options={"deadline": "realtime", "cpu-used": "8"}, pts=range(4), **MS_BASE
    )
    facts = probe(source).video
    assert facts is not None
    plan = plan_encoder(facts, VideoCodec(container=ending))
    assert plan.encoder.family == expected
    if ending == ".mp4":
        assert plan_encoder(facts, VideoCodec("vp9", container=ending)).encoder.family == "vp9"


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("rotation", "hflip"), [(90, False), (-90, False), (180, False), (90, True), (0, True)])
def test_turned_pictures_are_shown_as_before(tmp_path: Path, rotation: int, hflip: bool) -> None:
    """AVI has no rotation: the picture is stored upright. NUT has none either, but Matroska does."""
    source = make_video(tmp_path / "a.mp4", rotation=rotation, hflip=hflip, size=(96, 48), pts=range(4))
    for ending, codec in ((".avi", "h264"), (".avi", "ffv1"), (".mkv", "ffv1")):
        out = tmp_path / f"out{ending}"
        facts, frames = encode(tmp_path, source, out, VideoCodec(codec, lossless=True))
        before, after = facts.video, probe(out).video
        assert before is not None
        assert after is not None
        assert (after.width, after.height) == (before.width, before.height)
        if ending == ".mkv":
            assert (after.rotation, after.mirrored) == (before.rotation, before.mirrored)
        else:
            assert not after.is_turned
            (note,) = plan_encoder(before, VideoCodec(codec, container=ending)).notes
            assert "upright" in note
        # After these turns chroma lies where no tag can say, so that it is sampled anew.
        is_sampled_anew = ending == ".avi" and (rotation, hflip) in ((180, False), (0, True))
        for a, b in zip(frames, read_frames(out), strict=True):
            if is_sampled_anew:
                assert np.abs(a.picture.rgb().astype(int) - b.picture.rgb()).mean() < 8
            else:
                assert all(np.array_equal(x, y) for x, y in zip(a.picture.planes, b.picture.planes, strict=True))


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("base", "step"), [(Fraction(1, 12800), 512), (Fraction(1, 30000), 1001)])
@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_avi_has_the_rate_of_the_source(tmp_path: Path, codec: str, base: Fraction, step: int) -> None:
    source = make_video(tmp_path / "a.mp4", pts=[number * step for number in range(12)], time_base=base)
    out = tmp_path / "out.avi"
    encode(tmp_path, source, out, VideoCodec(codec))
    with av.open(str(out)) as media:
        stream = media.streams.video[0]
        assert stream.average_rate == 1 / (step * base)
        assert stream.frames == 12  # no empty ones between


def test_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", pts=range(20))
    facts = probe(source).video
    assert facts is not None
    for codec in ("h264", "hevc", "vp9", "ffv1"):
        contents = []
        for threads in (1, 1):
            path = tmp_path / "x.seg"
            how = VideoCodec(codec, container=".mkv")
            write_segment(path, ((f.picture, f.pts) for f in read_frames(source)), facts, how, threads)
            contents.append(path.read_bytes())
        assert contents[0] == contents[1], codec


def test_still_pictures(tmp_path: Path) -> None:
    """RGB becomes what players show, without the last column and row of an odd size; lossless stays as it is."""
    for size in ((61, 41), (64, 48)):
        path = tmp_path / "a.png"
        image = np.zeros((size[1], size[0], 3), np.uint8)
        image[:, : size[0] // 2] = (40, 90, 200)
        cv2.imwrite(str(path), image)
        facts = probe(path)
        assert facts.video is not None
        picture = next(read_frames(path)).picture
        for lossless, ending in ((False, ".mp4"), (True, ".mkv"), (False, ".webm")):
            codec = VideoCodec(lossless=lossless, container=ending)
            out = tmp_path / f"out{ending}"
            write_segment(tmp_path / "s", ((picture, n) for n in range(5)), facts.video, codec)
            mux(PictureInput([tmp_path / "s"]), None, SourceInput(path, facts), out)
            after = probe(out).video
            shown = (60, 40) if size == (61, 41) and ending == ".mp4" else size
            assert after is not None and (after.width, after.height, after.frames) == (*shown, 5)
            assert lossless or after.pix_fmt == "yuv420p"
            notes = plan_encoder(facts.video, codec).notes
            assert any("becomes 60x40" in note for note in notes) == (shown != size)
            assert after.duration == Fraction(1, 5)
            result = list(read_frames(out))[4].picture
            assert np.abs(result.rgb()[20, 5].astype(int) - (200, 90, 40)).max() <= (0 if codec.lossless else 8)
            if ending == ".mp4":
                assert after.codec == "h264"


@pytest.mark.slow
def test_bytes_do_not_depend_on_what_lay_in_memory(tmp_path: Path) -> None:
    """A row of x264's macroblocks that its AVX-512 code reads beyond: see `video_encoder._is_x264_nondeterministic`."""
    source = make_video(tmp_path / "a.mp4", size=(592, 320), pts=tuple(range(40)))
    code = (
        "import sys, hashlib; from pathlib import Path; from lipdub.media.probe import probe;"
        "from lipdub.media.read import read_frames; from lipdub.media.write import write_segment;"
        "from lipdub.media.video_encoder import VideoCodec;"
        "source, out = map(Path, sys.argv[1:]);"
        "write_segment(out, ((f.picture, f.pts) for f in read_frames(source)), probe(source).video, VideoCodec(), 1);"
        "print(hashlib.sha256(out.read_bytes()).hexdigest())"
    )
    digests = set()
    for fill in ("0", "1", "85"):  # glibc fills what it hands out; other systems pass this by
        process = subprocess.run(
            [sys.executable, "-c", code, str(source), str(tmp_path / "0.seg")],
            env=os.environ | {"MALLOC_PERTURB_": fill},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        digests.add(process.stdout)
    assert len(digests) == 1


def test_what_does_not_fit_is_said_before_work(tmp_path: Path) -> None:
    facts = probe(make_video(tmp_path / "a.mp4")).video
    assert facts is not None
    for codec, words in [
        (VideoCodec("h264", container=".webm"), "does not hold"),
        (VideoCodec("nonsense"), "no codec"),
        (VideoCodec(container=".xyz"), ".xyz"),
        (VideoCodec(crf=99), "CRF"),
        (VideoCodec(preset="soon"), "preset"),
        (VideoCodec("prores", crf=20, container=".mov"), "CRF"),
        (VideoCodec("prores", lossless=True, container=".mov"), "lossless"),
    ]:
        with pytest.raises(UsageError, match=words):
            plan_encoder(facts, codec)


def test_segments_are_whole_or_absent(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4")
    facts = probe(source).video
    assert facts is not None

    def failing() -> object:
        for frame in read_frames(source, 0, 5):
            yield frame.picture, frame.pts
        raise RuntimeError("stop")

    folder = tmp_path / "segments"
    folder.mkdir()
    with pytest.raises(RuntimeError):
        write_segment(folder / "0.seg", failing(), facts, VideoCodec())  # type: ignore[arg-type]
    assert list(folder.iterdir()) == []
    with pytest.raises(EnvironmentFailure):
        write_segment(
            tmp_path / "nowhere" / "0.seg", ((f.picture, f.pts) for f in read_frames(source)), facts, VideoCodec()
        )
    with pytest.raises(ValueError, match="at least one frame"):
        write_segment(folder / "0.seg", iter(()), facts, VideoCodec())


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("ending", "frames"), [(".mp4", 1), (".mp4", 4), (".mov", 4), (".mkv", 4), (".webm", 4)])
def test_gifs_become_what_players_show(tmp_path: Path, ending: str, frames: int) -> None:
    """Their opacity is left out with a note, and a single picture is a still."""
    path = tmp_path / "a.gif"
    shades = [Image.new("RGBA", (64, 48), (200, 40 * n, 90, 255)) for n in range(frames)]
    shades[0].putpixel((0, 0), (0, 0, 0, 0))
    shades[0].save(path, save_all=frames > 1, append_images=shades[1:], duration=80)
    facts = probe(path)
    assert facts.video is not None
    assert (facts.video.frames, facts.video.is_image) == (frames, frames == 1)
    assert facts.video.average_rate == (IMAGE_RATE if frames == 1 else Fraction(25, 2))
    codec = VideoCodec(container=ending)
    plan = plan_encoder(facts.video, codec)
    assert plan.encoder.family == ("vp9" if ending == ".webm" else "h264")
    assert any("opacity" in note for note in plan.notes)
    pictures = ((frame.picture, frame.pts) for frame in read_frames(path))
    write_segment(tmp_path / "s", pictures, facts.video, codec)
    mux(PictureInput([tmp_path / "s"]), None, SourceInput(path, facts), tmp_path / f"out{ending}")
    after = probe(tmp_path / f"out{ending}").video
    assert after is not None
    assert (after.pix_fmt, after.frames) == ("yuv420p", frames)
    last = [frame.picture.rgb() for frame in read_frames(tmp_path / f"out{ending}")][-1][24, 32].astype(int)
    assert np.abs(last - [200, 40 * (frames - 1), 90]).max() < 12


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_palettes_are_read_as_rgb(tmp_path: Path, ending: str) -> None:
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[:, :32], stripes[:, 32:] = (210, 50, 30), (30, 90, 220)
    path = tmp_path / "palette.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "pal8"
        for _ in range(3):
            frame = av.VideoFrame(64, 48, "pal8")
            view_plane(frame.planes[0], np.uint8, (48, 64))[:] = (np.arange(64) >= 32).astype(np.uint8)
            colours = np.frombuffer(frame.planes[1], np.uint8).view("<u4")
            colours[:2] = 0xFFD2321E, 0xFF1E5ADC
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    facts = probe(path)
    assert facts.video is not None and facts.video.pix_fmt == "pal8"
    assert np.array_equal(next(iter(read_frames(path))).picture.rgb(), stripes)
    write_segment(
        tmp_path / "s", ((f.picture, f.pts) for f in read_frames(path)), facts.video, VideoCodec(container=ending)
    )
    mux(PictureInput([tmp_path / "s"]), None, SourceInput(path, facts), tmp_path / f"out{ending}")
    shown = next(iter(read_frames(tmp_path / f"out{ending}"))).picture
    rgb = shown.rgb().astype(float) * (255 / shown.scale)
    assert np.abs(rgb[24, [10, 50]] - stripes[24, [10, 50]]).max() < 12


def test_odd_videos_say_who_does_not_play_them(tmp_path: Path) -> None:
    path = make_video(tmp_path / "odd.mkv", codec="ffv1", pix_fmt="yuv444p", size=(61, 41))
    facts = probe(path).video
    assert facts is not None
    plan = plan_encoder(replace(facts, codec="mjpeg", planar="yuv440p"), VideoCodec(codec="h264"))
    assert plan.size == (61, 41) and any("QuickTime" in note for note in plan.notes)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("order", "name"), [("tff", TOP_FIELD_FIRST), ("bff", BOTTOM_FIELD_FIRST)])
def test_fields_that_are_pictures_of_their_own_stay_so(tmp_path: Path, order: str, name: str) -> None:
    """Interlaced H.265 stores each field as a picture of half the height."""
    options = {"x265-params": f"log-level=none:interlace={order}"}
    source = make_video(tmp_path / "a.mp4", codec="libx265", options=options, pts=range(12), size=(96, 64))
    for ending in (".mp4", ".mov", ".mkv"):
        out = tmp_path / f"out{ending}"
        facts, frames = encode(tmp_path, source, out, VideoCodec())
        assert facts.video is not None
        assert facts.video.first_field == name
        assert not facts.video.is_interlaced
        with av.open(str(out)) as media:
            orders = [read_frame_tags(frame).field_order for frame in media.decode(video=0)]
        other = {TOP_FIELD_FIRST: BOTTOM_FIELD_FIRST, BOTTOM_FIELD_FIRST: TOP_FIELD_FIRST}[name]
        assert orders == [name, other] * (len(frames) // 2)
    assert any("whole pictures" in note for note in plan_encoder(facts.video, VideoCodec("h264")).notes)
