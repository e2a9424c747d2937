"""What the help says about each command beyond its options; a command without an entry fails a test."""

from __future__ import annotations

from dataclasses import dataclass

EXITS = {
    0: "done",
    1: "a file cannot be read or written, or something unforeseen",
    2: "the command's words or the settings do not fit together",
    3: "a transcript, a mark in the text or a plan cannot be read",
    4: "two inputs do not belong together: voice and script, plan and source; a signed file was changed",
    5: "no device, memory or weights for what was asked",
    6: "a check of --fail-on failed; the output is written all the same",
    130: "interrupted; nothing half-written stays (143: terminated)",
}
USUAL = (0, 1, 2, 130)


@dataclass(frozen=True)
class Page:
    """`examples`: (command line, what it does); `files` and `environment`: (name, what it is); `see`: commands."""

    examples: tuple[tuple[str, str], ...]
    notes: str = ""
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    exits: tuple[int, ...] = USUAL
    see: tuple[str, ...] = ()


VARIABLES = {
    "EDITALK_CONFIG": "a settings file that beats those of the project and the user; see `editalk help settings`",
    "EDITALK_CACHE": "where results of stages are kept, instead of ~/.cache/editalk",
    "EDITALK_CACHE_LIMIT": "e.g. 20GB: after a run the results that were used least recently go until the cache is "
    "below it",
    "EDITALK_MODELS": "a folder with a folder for each model: looked into first, and where `models pull` puts them",
    "EDITALK_OFFLINE": "1: no downloads; so does HF_HUB_OFFLINE",
    "EDITALK_ACCEPT_LICENCE": "1: as --accept-licence of `models pull`",
    "EDITALK_SIGN_PASSWORD": "the password of an encrypted --sign-key",
    "EDITALK_PARALLEL": "ulysses or ring: how the processes that torchrun started share a window of backend dit",
}
"""Environment variables that are not just an option's."""

ROOT = Page(
    (
        ("editalk transcribe talk.mp4", "what is said: talk.transcript.json, and talk.txt to edit"),
        ("editalk diff talk.mp4 talk.txt", "what the edited text changes"),
        ("editalk apply talk.mp4 talk.txt --voice new-words.wav", "the edit: talk.edited.mp4"),
        ("editalk doctor", "what this machine can do"),
    ),
    files=(("editalk.toml", "settings of a project; see `editalk help settings`"),),
    see=("settings", "environment", "exit-codes"),
)

PAGES: dict[str, Page] = {
    "transcribe": Page(
        (
            ("editalk transcribe talk.mp4", "talk.transcript.json and talk.txt beside the video"),
            ("editalk transcribe talk.mp4 --script talk.txt", "the words are known: only their times are found"),
            ("editalk transcribe talk.mp4 --model small --language en", "with openai-whisper's small model"),
            ("editalk transcribe talk.mp4 -f srt,vtt -o captions", "captions alone, into a folder"),
            ("editalk transcribe talks --recursive -f json,md", "every video of a folder that has no transcript yet"),
        ),
        notes="Of several videos or a folder, those whose files are all there are skipped (-y makes them anew), files "
        "that are missing are added, one video that fails stops no other, and the exit code is the worst. --json then "
        "lists them under “files”.",
        files=(
            ("talk.transcript.json", "words with their times, as openai-whisper writes them; other commands find it"),
            ("talk.txt", "the words as a text to edit; talk.md, talk.srt and talk.vtt can be edited as well"),
        ),
        exits=(0, 1, 2, 3, 4, 5, 130),
        see=("clean", "diff", "apply"),
    ),
    "clean": Page(
        (
            ("editalk clean talk.mp4 --fillers --pauses 0.4 --repeats", "talk.clean.txt: read it, change it, then"),
            ("editalk apply talk.mp4 talk.clean.txt", "make it so"),
            ("editalk clean talk.mp4 --fillers --filler 'you know' --filler like", "fillers of one's own as well"),
            ("editalk clean talk.mp4 --repeats -o takes.txt --json", "a row for everything that goes"),
        ),
        notes="Nothing is rendered. What goes is struck out as {--these words--}, a longer pause becomes [pause 0.4s]; "
        "take away a mark to keep what is in it. Said on purpose (“very very”, “no no”, numbers) stays. Of a sentence "
        "that was recorded again, the last take stays. Silence before the first word and after the last is left alone.",
        files=(
            ("talk.clean.txt", "the edited text, beside VIDEO"),
            ("talk.transcript.json", "beside VIDEO: its transcript; made anew where there is none"),
        ),
        exits=(0, 1, 2, 3, 4, 5, 130),
        see=("transcribe", "diff", "apply"),
    ),
    "diff": Page(
        (
            ("editalk diff talk.mp4 talk.txt", "the changes in colour, and about what each costs"),
            ("editalk diff talk.mp4 talk.srt", "an edited srt, vtt or md is read by its suffix"),
            ("editalk diff talk.mp4 talk.txt --json", "for programs"),
            ("editalk diff talk.mp4 talk.txt --transcript whisper.json", "against a transcript made elsewhere"),
        ),
        notes="[-words-] go, {+words+} come, [words →1] move to where {1→ words} stand, {=words=} change in the "
        "captions alone. How long new words take is estimated, as no voice is heard; what rendering takes is taken "
        "from figures of other machines.",
        files=(("talk.transcript.json", "beside VIDEO: its transcript; made anew where there is none"),),
        exits=(0, 1, 2, 3, 4, 130),
        see=("transcribe", "plan", "apply"),
    ),
    "plan": Page(
        (
            ("editalk plan talk.mp4 talk.txt --voice new-words.wav -o plan.json", "every number of the edit"),
            ("editalk plan talk.mp4 talk.txt", "on standard output"),
            ("editalk apply talk.mp4 --plan plan.json", "render it later, or elsewhere"),
            ("editalk plan talk.mp4 talk.txt -o cut.json --timeline otio,edl", "and the edit for editing programs"),
        ),
        files=(
            ("cut.otio, cut.removed.otio",
             "with --timeline: the edit, and what was taken out; also .fcpxml, .edl, .xml"),
        ),
        exits=(0, 1, 2, 3, 4, 5, 130),
        see=("apply", "diff"),
    ),
    "apply": Page(
        (
            ("editalk apply talk.mp4 talk.txt", "words removed and moved: no voice is needed"),
            ("editalk apply talk.mp4 talk.txt --voice new-words.wav", "with new words"),
            ("editalk apply talk.mp4 talk.txt --voice take.wav -o dub.mp4 -y", "a new take of the whole script"),
            ("editalk apply talk.mp4 talk.txt --review", "and a page that shows it"),
            ("editalk apply talk.mp4 talk.txt --dry-run --json", "what it would do"),
            ("editalk apply talk.mp4 talk.txt --timeline fcpxml", "and a timeline for Final Cut Pro beside it"),
            ("editalk apply talk.mp4 talk.txt --fail-on join --json", "in a script: exit 6 where a join shows"),
            ("editalk apply talk.mp4 talk.txt --fail-on all", "and on every other check: docs/quality-gate.md"),
            ("editalk apply talk.mp4 talk.txt --backend dit --best-of 4", "each window from four seeds"),
        ),
        files=(
            ("talk.edited.mp4", "the result, beside VIDEO; whole or not there"),
            ("talk.edited.otio, talk.edited.removed.otio",
             "with --timeline: the edit, and what was taken out; also .fcpxml, .edl, .xml"),
            ("talk.edited.ledger.json", "where each word, frame and sound comes from; not with --no-ledger"),
            ("talk.edited.c2pa", "the signed manifest, of results that take none (mkv, webm); not with --no-sign"),
            ("talk.edited.review.html", "with --review, beside the result"),
            ("talk.transcript.json", "beside VIDEO: its transcript; made anew where there is none"),
        ),
        environment=(
            ("EDITALK_CACHE", "results of stages; a second run renders what changed"),
            ("EDITALK_SIGN_PASSWORD", VARIABLES["EDITALK_SIGN_PASSWORD"]),
        ),
        exits=tuple(EXITS),
        see=("diff", "plan", "verify", "review", "eval", "settings"),
    ),
    "batch": Page(
        (
            ("editalk batch jobs.csv", "video,edited,voice in the header, a job in every line below"),
            ("editalk batch jobs.csv --continue-on-error --retries 2 --json > night.jsonl", "a night's work"),
            ("editalk batch jobs.csv --resume", "go on with what was not done"),
            ("editalk batch today.toml --archive done.txt", "leave out what any batch has done before"),
            ("editalk batch - --journal night.journal", "a list from another program, on standard input"),
            ("editalk batch jobs.csv --dry-run", "plan all of them"),
            ("editalk batch jobs.csv --ray auto --retries 2", "on the Ray cluster that this machine belongs to"),
            ("editalk batch jobs.csv --fail-on join --junit report.xml", "with a report for a build server"),
        ),
        notes="A job is what `apply` takes: keys are its options' names, VIDEO and EDITED are video and edited, and id "
        "names a job. CSV has them in its header (several files of one option with a semicolon between them), JSONL "
        "has an object a line, TOML a [[job]] each and [defaults]. File names are relative to the folder of JOBS. All "
        "lines are checked before the first job begins. A job's own value beats the command line's, and that beats "
        "[defaults]. After a failure no further job begins, unless --continue-on-error; the exit code is the worst "
        "job's.",
        files=(
            ("jobs.csv.journal", "beside JOBS: what began and ended, for --resume; lines are only added"),
            ("talk.edited.mp4", "a job's result, beside its video; whole or not there"),
            ("report.xml", "with --junit: a test case for each job; a report of an earlier run is replaced"),
        ),
        environment=(
            ("RAY_ADDRESS", "the cluster that --ray auto means"),
            ("OMP_NUM_THREADS", "threads of a worker, instead of its share of the cores"),
            ("CUDA_VISIBLE_DEVICES", "the GPUs that workers are spread over"),
        ),
        exits=tuple(EXITS),
        see=("apply", "cache clear", "settings"),
    ),
    "review": Page(
        (
            ("editalk review talk.mp4 talk.txt --voice new-words.wav", "talk.review.html, to look at in a browser"),
            ("editalk review talk.mp4 --plan plan.json -o for-approval.html", "of a plan, into another file"),
            ("editalk apply talk.mp4 talk.txt --review", "the edited video and its page"),
        ),
        notes="The page is one file that loads nothing: before and after in step, the transcript with what was "
        "changed, both sounds, every join with its score. It works without a mouse; ? shows the keys. Its videos are "
        "small copies (H.264, at most 640 pixels, about 60 MB in all up to 20 minutes; of longer talks pictures move "
        "near the edits only). What was rendered is kept in the cache, so an `apply` afterwards is quick.",
        files=(
            ("talk.review.html", "the page, beside VIDEO; whole or not there"),
            ("talk.transcript.json", "beside VIDEO: its transcript; made anew where there is none"),
        ),
        environment=(("EDITALK_CACHE", "results of stages; the small copy of VIDEO, too"),),
        exits=(0, 1, 2, 3, 4, 5, 130),
        see=("apply", "diff", "plan"),
    ),
    "verify": Page(
        (
            ("editalk verify talk.edited.mp4", "what its manifest says, and whether it and the ledger hold"),
            ("editalk verify talk.edited.mp4 --source talk.mp4", "and whether kept pictures are the source's"),
            ("editalk verify talk.edited.mp4 --trust desk-ca.pem", "and whether this authority vouches for it"),
            ("editalk verify talk.edited.mp4 --json", "for programs"),
        ),
        notes="Nothing is fetched from anywhere. A valid signature says that nothing was changed since; who signed is "
        "another question: a development certificate says nothing about that, and nobody is trusted without --trust. "
        "Exit 1 where there is no manifest.",
        files=(
            ("talk.edited.ledger.json", "beside VIDEO: its ledger; or --ledger"),
            ("talk.edited.c2pa", "the manifest, of files that take none (mkv, webm)"),
        ),
        exits=(0, 1, 2, 3, 4, 130),
        see=("apply",),
    ),
    "eval": Page(
        (
            ("editalk eval talk.mp4 talk.edited.mp4", "the lips of one video against another's"),
            ("editalk eval talk.mp4 other.mp4 --region face --from 2 --to 4.5", "of two and a half seconds"),
            ("editalk eval talk.mp4 other.mp4 --transcript talk.transcript.json --json", "closures, too; as JSON"),
        ),
        exits=(0, 1, 2, 3, 4, 130),
        see=("apply",),
    ),
    "models": Page(
        (
            ("editalk models list", "which there are, and which are here"),
            ("editalk models pull musetalk-1.5", "get one"),
            ("editalk models verify", "hash what is here"),
        ),
        exits=(),
    ),
    "models list": Page(
        (
            ("editalk models list", "name, size, memory, licence and place of each"),
            ("editalk models list --json", "as JSON"),
        ),
        exits=(0, 2, 3),
        see=("models pull", "models verify"),
    ),
    "models pull": Page(
        (
            ("editalk models pull ltx-2.3-distilled", "shows the licence, asks, downloads 95 GB"),
            ("editalk models pull musetalk-1.5 --accept-licence --progress json", "in a script"),
            ("editalk models pull musetalk-1.5 --to /media/disk/models", "onto a disk, for a machine without network"),
        ),
        environment=(
            ("EDITALK_MODELS", VARIABLES["EDITALK_MODELS"]),
            ("HF_HOME, HF_HUB_CACHE", "where else models go and are found"),
            ("HF_TOKEN", "for repositories that want one"),
        ),
        exits=(0, 1, 2, 3, 5, 130),
        see=("models list", "models verify"),
    ),
    "models verify": Page(
        (
            ("editalk models verify", "every model that is here"),
            ("editalk models verify musetalk-1.5 --json", "one, as JSON"),
        ),
        exits=(0, 2, 3, 5, 130),
        see=("models pull",),
    ),
    "doctor": Page(
        (
            ("editalk doctor", "each check, and what to do where one fails"),
            ("editalk doctor --json", "for programs: name, ok, needed, detail, remedy"),
        ),
        notes="What is marked “missing” keeps editalk from its main job (exit 5); “absent” is what this machine could "
        "have besides.",
        exits=(0, 5),
        see=("models list", "cache show", "config show"),
    ),
    "cache": Page(
        (
            ("editalk cache show", "where it is and how large, by stage"),
            ("editalk cache clear --older-than 30d", "what nobody used for a month goes"),
        ),
        exits=(),
    ),
    "cache show": Page(
        (("editalk cache show", "entries, size and age by stage"), ("editalk cache show --json", "as JSON")),
        environment=(("EDITALK_CACHE", VARIABLES["EDITALK_CACHE"]),),
        exits=(0, 1, 2),
        see=("cache clear",),
    ),
    "cache clear": Page(
        (
            ("editalk cache clear", "all results of stages; models stay"),
            ("editalk cache clear --stage window", "rendered windows alone"),
            ("editalk cache clear --older-than 30d", "what was not used for thirty days"),
            ("editalk cache clear --larger-than 5GB", "the least recently used, until 5 GB are left"),
            ("editalk cache clear --dry-run --json", "what would go"),
        ),
        notes="Safe beside a running editalk: what it is writing stays, and what it misses it makes again.",
        environment=(
            ("EDITALK_CACHE", VARIABLES["EDITALK_CACHE"]),
            ("EDITALK_CACHE_LIMIT", VARIABLES["EDITALK_CACHE_LIMIT"]),
        ),
        exits=(0, 1, 2),
        see=("cache show",),
    ),
    "cache path": Page((("editalk cache path", "the folder, for scripts"),), exits=(0,), see=("cache show",)),
    "config": Page(
        (
            ("editalk config show", "which settings hold, and where they come from"),
            ("editalk config init", "an editalk.toml to fill in"),
        ),
        exits=(),
        see=("settings",),
    ),
    "config show": Page(
        (
            ("editalk config show", "all that files and variables set"),
            ("editalk config show apply --all", "every option of one command, defaults, too"),
            ("editalk config show --json", "as JSON"),
        ),
        exits=(0, 2),
        see=("settings", "config path", "config init"),
    ),
    "config path": Page(
        (("editalk config path", "the settings files that are read, the strongest first"),),
        exits=(0, 2),
        see=("config show",),
    ),
    "config init": Page(
        (
            ("editalk config init", "editalk.toml here, every option in it as a comment"),
            ("editalk config init --user", "the user's own"),
            ("editalk config init settings/night.toml", "for --config or EDITALK_CONFIG"),
        ),
        exits=(0, 1, 2),
        see=("settings", "config show"),
    ),
    "completion": Page(
        (
            ("editalk completion bash > ~/.local/share/bash-completion/completions/editalk", "bash"),
            ("editalk completion zsh > ~/.zfunc/_editalk", "zsh, where ~/.zfunc is in fpath before compinit"),
            ("editalk completion fish > ~/.config/fish/completions/editalk.fish", "fish"),
            ("editalk completion powershell >> $PROFILE", "PowerShell"),
        ),
        notes="Nothing is installed: the script is printed.",
        exits=(0, 2),
    ),
    "help": Page(
        (
            ("editalk help apply", "as editalk apply --help"),
            ("editalk help models pull", "of a command of a group"),
            ("editalk help settings", "a topic: settings, environment or exit-codes"),
        ),
        exits=(0, 2),
        see=("man",),
    ),
    "man": Page(
        (
            ("editalk man apply | man -l -", "read one"),
            ("editalk man -o /usr/local/share/man/man1", "all of them, for packagers"),
        ),
        exits=(0, 1, 2),
        see=("help",),
    ),
}

SETTINGS = """\
An option's value is the first that there is of:

1. the flag on the command line;
2. EDITALK_COMMAND_OPTION, e.g. EDITALK_APPLY_SEED, then EDITALK_OPTION, e.g. EDITALK_SEED;
3. the file of --config, or of EDITALK_CONFIG;
4. the project's editalk.toml: the nearest one in the working directory or above it, up to the root of the \
repository (where .git is), the home folder or the root of the disk;
5. the user's: $XDG_CONFIG_HOME/editalk/editalk.toml, else ~/.config/editalk/editalk.toml.

In a file, keys at the top are for every command that has the option, tables for one command. Keys are the long flags \
without their dashes:

    language = "en"
    fail-on = ["join"]

    [transcribe]
    model = "small"

    [models.pull]
    progress = "none"

A switch is true or false; `--no-…` turns off what a file turned on. A list in a variable is parted by spaces. A \
key that no command has, or a value of the wrong kind, is an error (exit 2) with file, line and key. Options that name \
files of one job, --consent, --json, --overwrite, --dry-run, --accept-licence, --from and --to, are for the command \
line alone; paths of --sign-key, --sign-cert and --trust are seen from the file's folder. \
--no-config reads no file. `editalk config show` prints what holds and where it comes from."""

ENVIRONMENT = """\
Every option that a settings file may set has a variable, EDITALK_ and its name: EDITALK_SEED, or for one \
command EDITALK_APPLY_SEED. Besides:"""
TOPICS = ("settings", "environment", "exit-codes")
