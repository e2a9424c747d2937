"""`editalk verify`: what a file says of itself, and whether that holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from editalk.cli.options import Json, Mode, Quiet, Verbose
from editalk.console import Console, ProgressMode, print_json
from editalk.terminal import shown


def verify_command(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="An edited video.", show_default=False)],
    ledger: Annotated[
        Path | None, typer.Option("--ledger", metavar="FILE", help="Instead of VIDEO.ledger.json beside it.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="FILE", help="What VIDEO was made from: kept pictures are compared with it."),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option("--trust", metavar="FILE", help="Authorities' certificates, PEM: signers of others are refused."),
    ] = None,
    watermark: Annotated[
        bool, typer.Option("--watermark", help="Look for the mark of `apply --watermark`, which decodes VIDEO.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    progress: Mode = ProgressMode.AUTO,
) -> None:
    """Check the C2PA manifest, the ledger and the source of an edited VIDEO."""
    from editalk.pipeline.verify import Question, failed, verify

    made = verify(Question(video, ledger, source, trust, watermark), Console(quiet, progress, as_json))
    if as_json:
        print_json(made)
    else:
        for line in _lines(made):
            print(shown(line))
    error = failed(made)
    if error is not None:
        raise error


def _lines(made: dict[str, Any]) -> list[str]:
    lines = _of_manifest(made["manifest"]) if made["manifest"] else ["manifest     none"]
    if (ledger := made["ledger"]) is None:
        lines.append("ledger       none beside the file")
    else:
        belongs = "of this file" if ledger["of_this_file"] else "NOT of this file"
        signed = {True: ", vouched for by the manifest", False: ", NOT the manifest's", None: ""}
        lines.append(f"ledger       {ledger['path']}: {belongs}{signed[ledger['of_this_manifest']]}; "
                     f"{ledger['words']} words, {ledger['new_words']} new")  # fmt: skip
    if (source := made["source"]) is not None:
        if source["path"] is None:
            lines.append(f"source       {source['name']}, sha256 {source['sha256']}; not here")
        else:
            lines.append(f"source       {source['path']}: {'the' if source['is_ingredient'] else 'NOT the'} ingredient")
        if "compared" in source:
            least = "" if source["least_psnr"] is None else f"; PSNR {source['least_psnr']} dB and better where encoded"
            lines.append(f"pictures     {source['compared']} kept ones compared, {len(source['differ'])} differ{least}")
    if (marks := made["watermarks"]) is not None:
        lines += [f"watermark    {row['seconds'][0]:.3f} s to {row['seconds'][1]:.3f} s: payload "
                  f"{row['payload'] or 'not readable'}, by chance with p < {row['probability']:.0e}"
                  for row in marks] or ["watermark    none found"]  # fmt: skip
    return lines


def _of_manifest(manifest: dict[str, Any]) -> list[str]:
    state = "valid" if manifest["valid"] else "NOT VALID"
    trust = "trusted" if manifest["trusted"] else "trusted by nobody here"
    lines = [
        f"manifest     {state}; {manifest['beside'] or 'embedded'}, by {manifest['generator']}",
        f"signer       {manifest['signer'] or 'unknown'} ({manifest['organisation']}), {trust}",
        *(f"             {failure['what']} ({failure['code'] or 'unreadable'})" for failure in manifest["failures"]),
        *(f"ingredient   {row['title']} ({row['relationship']}{', with a manifest' if row['manifest'] else ''})"
          for row in manifest["ingredients"]),
    ]  # fmt: skip
    for row in manifest["generated"]:
        start, end = row.get("seconds") or row["frames"]
        models = ", ".join(str(model.get("name")) for model in row["models"])
        seed = "" if row["seed"] is None else f", seed {row['seed']}"
        lines.append(f"generated    {start:.3f} s to {end:.3f} s: {row['region']}{', lips' if row['lips'] else ''}, "
                     f"{row['backend']} ({models}){seed}")  # fmt: skip
    if (consent := manifest["consent"]) is not None:
        document = consent.get("document") or {}
        lines.append(f"consent      {consent.get('text') or ''} {document.get('name', '')}".rstrip())
    return lines
