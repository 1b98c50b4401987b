"""Small files that hold much beside a picture and a sound, made by ffmpeg."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from lipdub.media.ffmpeg import find_ffmpeg
from tests.media.clips import add_data_track, copy_turned
from tests.media.test_captions import make_captioned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=0.6")
_SOUND = ("-f", "lavfi", "-i", "sine=duration=0.6:sample_rate=48000")
_OTHER_SOUND = ("-f", "lavfi", "-i", "anoisesrc=duration=0.6:sample_rate=48000:seed=3")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p")
_AAC = ("-c:a", "aac")
_SUBTITLE = "1\n00:00:00,100 --> 00:00:00,300\nHello there\n\n"
_CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=300
title=One
[CHAPTER]
TIMEBASE=1/1000
START=300
END=600
title=Two
"""
_HDR = (
    "log-level=error:hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:chromaloc=2:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
)
_HDR_TAGS = "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"


def run_ffmpeg(*words: str | Path) -> None:
    """Run ffmpeg quietly."""
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *map(str, words)], check=True)


def _make(path: Path, *words: str | Path, inputs: tuple[str | Path, ...] = (*_PICTURE, *_SOUND)) -> Path:
    run_ffmpeg(*inputs, *words, path)
    return path


def _text(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def plain_mp4(folder: Path) -> Path:
    return _make(folder / "plain.mp4", *_H264, *_AAC, "-metadata", "title=A film")


def sounds_mp4(folder: Path) -> Path:
    """Three sounds with languages, titles and roles."""
    return _make(
        folder / "sounds.mp4",
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "2:a", *_H264, *_AAC, "-ac:a:2", "2"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:a:2", "language=deu"),
        *("-metadata:s:a:1", "title=Music", "-disposition:a:1", "comment", "-disposition:a:2", "hearing_impaired"),
        inputs=(*_PICTURE, *_SOUND, *_OTHER_SOUND),
    )


def rich_mkv(folder: Path) -> Path:
    """Subtitles in two forms, chapters, an attachment, metadata, a Vorbis sound."""
    font = _text(folder, "font.ttf", "not really a font")
    return _make(
        folder / "rich.mkv",
        *("-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "2:s", "-map", "2:s", "-map_chapters", "3", *_H264),
        *("-c:a:0", "aac", "-c:a:1", "libvorbis", "-c:s:0", "srt", "-c:s:1", "ass"),
        *("-disposition:s:0", "forced", "-metadata:s:s:0", "language=fre", "-metadata:s:s:1", "language=ger"),
        *("-metadata:s:s:1", "title=Signs", "-metadata", "director=Someone", "-metadata", "title=A film"),
        *("-attach", font, "-metadata:s:t", "mimetype=font/ttf"),
        inputs=(*_PICTURE, *_SOUND, "-i", _text(folder, "s.srt", _SUBTITLE), "-i", _text(folder, "c.txt", _CHAPTERS)),
    )


def subtitles_mp4(folder: Path) -> Path:
    subtitle = _text(folder, "s.srt", _SUBTITLE)
    return _make(
        folder / "subtitles.mp4",
        *("-map", "0:v", "-map", "1:a", "-map", "2:s", "-map", "2:s", *_H264, *_AAC, "-c:s", "mov_text"),
        *("-metadata:s:s:0", "language=fra", "-metadata:s:s:1", "language=deu", "-disposition:s:1", "forced"),
        inputs=(*_PICTURE, *_SOUND, "-i", subtitle),
    )


def chapters_mp4(folder: Path) -> Path:
    chapters = _text(folder, "c.txt", _CHAPTERS)
    inputs = (*_PICTURE, *_SOUND, "-i", chapters)
    return _make(folder / "chapters.mp4", *_H264, *_AAC, "-map_chapters", "2", inputs=inputs)


def time_code_mov(folder: Path) -> Path:
    return _make(folder / "tc.mov", *_H264, "-c:a", "pcm_s16le", "-timecode", "10:00:00:00")


def telemetry_mp4(folder: Path) -> Path:
    return add_data_track(plain_mp4(folder), folder / "telemetry.mp4", "gpmd")


def timed_metadata_mov(folder: Path) -> Path:
    return add_data_track(plain_mp4(folder), folder / "mebx.mov", "mebx")


def phone_mov(folder: Path) -> Path:
    keys = {"make": "Apple", "model": "iPhone 15", "location.ISO6709": "+48.1+011.5/", "software": "18.1"}
    words = [word for key, value in keys.items() for word in ("-metadata", f"com.apple.quicktime.{key}={value}")]
    date = ("-metadata", "creation_time=2026-05-01T10:00:00.000000Z")
    return _make(folder / "phone.mov", *_H264, *_AAC, *words, *date, "-movflags", "use_metadata_tags")


def cover_mp4(folder: Path) -> Path:
    words = ("-map", "0:v", "-map", "1:a", "-map", "0:v", *_H264, *_AAC, "-c:v:1", "png", "-frames:v:1", "1")
    return _make(folder / "cover.mp4", *words, "-disposition:v:1", "attached_pic")


def cover_mkv(folder: Path) -> Path:
    cover = _make(folder / "cover.png", "-frames:v", "1", inputs=_PICTURE)
    return _make(folder / "cover.mkv", *_H264, *_AAC, "-attach", cover, "-metadata:s:t", "mimetype=image/png")


def turned_mp4(folder: Path) -> Path:
    return copy_turned(plain_mp4(folder), folder / "turned.mp4", 90)


def hdr_mp4(folder: Path) -> Path:
    words = ("-vf", _HDR_TAGS, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", _HDR, "-tag:v", "hvc1")
    return _make(folder / "hdr.mp4", *words, *_AAC)


def interlaced_mp4(folder: Path) -> Path:
    words = (
        "-vf",
        "setsar=64/45,interlace=scan=tff:lowpass=0",
        *_H264,
        "-flags",
        "+ilme+ildct",
        "-x264-params",
        "tff=1",
    )
    inputs = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=50:duration=0.6", *_SOUND)
    return _make(folder / "interlaced.mp4", *words, *_AAC, inputs=inputs)


def broadcast_ts(folder: Path) -> Path:
    """MPEG-2 with two languages, as on air."""
    return _make(
        folder / "broadcast.ts",
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "mpeg2video", "-q:v", "2", "-pix_fmt", "yuv420p"),
        *("-c:a", "mp2", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra"),
        *("-metadata", "service_name=Channel 4"),
        inputs=(*_PICTURE, *_SOUND, *_OTHER_SOUND),
    )


def programs_ts(folder: Path) -> Path:
    return _make(
        folder / "programs.ts",
        *("-map", "0:v", "-map", "1:a", "-map", "0:v", "-map", "1:a", "-c:v", "mpeg2video", "-c:a", "mp2"),
        *("-program", "title=First:program_num=1:st=0:st=1", "-program", "title=Second:program_num=2:st=2:st=3"),
    )


def vp8_webm(folder: Path) -> Path:
    return _make(folder / "vp8.webm", "-c:v", "libvpx", "-c:a", "libvorbis", "-metadata", "title=A call")


def vp9_webm(folder: Path) -> Path:
    subtitle = _text(folder, "s.srt", _SUBTITLE)
    words = ("-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "2:s", "-c:v", "libvpx-vp9", "-deadline", "realtime")
    inputs = (*_PICTURE, *_SOUND, "-i", subtitle)
    return _make(folder / "vp9.webm", *words, "-c:a", "libopus", "-c:s", "webvtt", inputs=inputs)


def prores_mov(folder: Path) -> Path:
    words = ("-c:v", "prores_ks", "-profile:v", "0", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le")
    return _make(folder / "prores.mov", "-map", "0:v", "-map", "1:a", "-map", "1:a", *words)


def mjpeg_avi(folder: Path) -> Path:
    words = ("-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")
    return _make(folder / "mjpeg.avi", *words, "-metadata", "title=Old", "-metadata", "artist=Someone")


def ffv1_mkv(folder: Path) -> Path:
    words = ("-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "1:a", "-c:v", "ffv1", "-pix_fmt", "yuv422p10le")
    return _make(folder / "ffv1.mkv", *words, "-c:a:0", "flac", "-c:a:1", "flac", "-c:a:2", "libvorbis")


def camera_mxf(folder: Path) -> Path:
    words = ("-map", "0:v", *("-map", "1:a") * 4, "-c:v", "mpeg2video", "-pix_fmt", "yuv422p", "-q:v", "2")
    inputs = (*_PICTURE[:3], "testsrc2=size=720x576:rate=25:duration=0.6", *_SOUND)
    return _make(folder / "camera.mxf", *words, "-c:a", "pcm_s24le", "-timecode", "10:00:00:00", inputs=inputs)


def stereo_mkv(folder: Path) -> Path:
    return _make(folder / "stereo.mkv", *_H264, *_AAC, "-metadata:s:v", "stereo_mode=left_right")


def angles_mkv(folder: Path) -> Path:
    """Two pictures."""
    words = ("-map", "0:v", "-map", "1:a", "-map", "0:v", *_H264, *_AAC, "-metadata:s:v:1", "title=Second angle")
    return _make(folder / "angles.mkv", *words)


def tagged_mp4(folder: Path) -> Path:
    """Colour tags, pixel shape, a picture with a language."""
    tags = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,setsar=4/3"
    return _make(folder / "tagged.mp4", "-vf", tags, *_H264, *_AAC, "-metadata:s:v", "language=eng")


def screen_mkv(folder: Path) -> Path:
    """RGB."""
    return _make(folder / "screen.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", "-c:a", "libopus")


def old_flv(folder: Path) -> Path:
    return _make(folder / "old.flv", "-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "44100")


def free_ogv(folder: Path) -> Path:
    """Theora and Vorbis; Ogg has the metadata of the file in its streams."""
    words = ("-c:v", "libtheora", "-c:a", "libvorbis", "-metadata", "title=A film", "-metadata", "artist=Someone")
    return _make(folder / "free.ogv", *words)


def opacity_mov(folder: Path) -> Path:
    """ProRes with opacity."""
    words = ("-vf", "format=yuva444p10le", "-c:v", "prores_ks", "-profile:v", "4444", "-c:a", "pcm_s24le")
    return _make(folder / "opacity.mov", *words)


def captions_mp4(folder: Path) -> Path:
    return make_captioned(folder / "captions.mp4", "libx264")


def tape_avi(folder: Path) -> Path:
    """DV, interlaced and anamorphic."""
    return _make(folder / "tape.avi", "-target", "pal-dv", "-aspect", "16:9")


def animation_gif(folder: Path) -> Path:
    return _make(folder / "animation.gif", inputs=_PICTURE)


MAKERS: dict[str, Callable[[Path], Path]] = {
    maker.__name__: maker
    for maker in (
        plain_mp4,
        sounds_mp4,
        rich_mkv,
        subtitles_mp4,
        chapters_mp4,
        time_code_mov,
        telemetry_mp4,
        timed_metadata_mov,
        phone_mov,
        cover_mp4,
        cover_mkv,
        turned_mp4,
        hdr_mp4,
        interlaced_mp4,
        broadcast_ts,
        programs_ts,
        vp8_webm,
        vp9_webm,
        prores_mov,
        mjpeg_avi,
        ffv1_mkv,
        camera_mxf,
        stereo_mkv,
        angles_mkv,
        tagged_mp4,
        screen_mkv,
        old_flv,
        free_ogv,
        opacity_mov,
        captions_mp4,
        tape_avi,
        animation_gif,
    )
}
