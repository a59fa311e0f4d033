"""The schedules: odd minutes, pull requests and never main, and steps that act on the exit code."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[1] / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))}


def steps(name: str) -> list[dict]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def step(name: str, title: str) -> dict:
    return next(item for item in steps(name) if item.get("name") == title)


def schedules(name: str) -> list[str]:
    # YAML 1.1 reads the key `on` as true.
    return [item["cron"] for item in WORKFLOWS[name][True].get("schedule", [])]


def test_schedules():
    rerun = schedules("rerun.yml")
    assert all(int(cron.split()[0]) % 2 for cron in rerun + schedules("staleness.yml"))
    assert any(cron.split()[2:4] == ["*", "*"] and cron.split()[4] != "*" for cron in rerun), "weekly"
    assert {cron.split()[3] for cron in rerun if cron.split()[4] == "*"} == {"6", "12"}, "daily in June and December"


def test_never_pushes_to_main():
    text = (FOLDER / "rerun.yml").read_text(encoding="utf-8")
    pushes = re.findall(r"git push[^\n]*", text)
    assert pushes == ['git push origin "HEAD:refs/heads/$branch"'] and 'branch="update/' in text
    assert "gh pr create --base main" in text and "changes.md" in text
    assert "merge" not in text


def test_shell_is_sound(tmp_path):
    for name in WORKFLOWS:
        for item in steps(name):
            if "run" in item:
                script = tmp_path / "step.sh"
                script.write_text(re.sub(r"\$\{\{.*?\}\}", "x", item["run"]))
                done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
                assert not done.returncode, (name, item.get("name"), done.stderr)


def test_nothing_typed_by_a_visitor_reaches_the_shell():
    for name in WORKFLOWS:
        for item in steps(name):
            assert not re.search(r"\$\{\{\s*(inputs|github\.event)", item.get("run", "")), (name, item.get("name"))


def play(item: dict, folder: Path, tools: dict[str, str], **env: str) -> subprocess.CompletedProcess:
    """Run a step's script as GitHub does, with stand-ins for the tools it calls."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, body in tools.items():
        tool = folder / "bin" / name
        tool.write_text(f"#!/bin/bash\n{body}\n")
        tool.chmod(0o755)
    settings = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_RUN_ID": "7",
        "GITHUB_REPOSITORY": "a/b",
        **env,
    }
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", item["run"]], cwd=folder, env=settings, capture_output=True, text=True
    )


@pytest.mark.parametrize(("code", "end"), [(0, 0), (10, 0), (20, 0), (30, 0), (1, 1), (137, 1)])
def test_exit_code_is_kept(tmp_path, code, end):
    done = play(step("rerun.yml", "Look for new data"), tmp_path, {"assess": f"echo said; exit {code}"}, ONLY="")
    assert done.returncode == end
    assert (tmp_path / "output").read_text() == f"code={code}\n" and "said" in (tmp_path / "summary").read_text()


def test_each_code_has_its_step():
    conditions = {item["name"]: item.get("if", "") for item in steps("rerun.yml") if "name" in item}
    assert "'10'" in conditions["Open a pull request"] and "'30'" in conditions["Call a person"]
    assert "'20'" in conditions["Say so when it could not tell"]
    assert "exit 1" in step("rerun.yml", "Say so when it could not tell")["run"]


def test_pull_request(tmp_path):
    """In a real repository with a real remote: a branch is pushed, main is not."""
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    git = {"cwd": tmp_path, "check": True, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], **git)
    subprocess.run(["git", "clone", "-q", str(remote), str(work)], **git)
    git["cwd"] = work
    (work / "reports").mkdir()
    (work / "data" / "raw").mkdir(parents=True)
    (work / "reports" / "changes.md").write_text("old\n")
    (work / "data" / "raw" / "sources.yaml").write_text("old\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run(["git", *identity, "add", "-A"], **git)
    subprocess.run(["git", *identity, "commit", "-qm", "first"], **git)
    subprocess.run(["git", "push", "-q", "origin", "HEAD:main"], **git)
    main = subprocess.run(["git", "rev-parse", "origin/main"], **git).stdout
    item = step("rerun.yml", "Open a pull request")
    tools = {"gh": 'echo "gh $*" >> calls.txt; [ -f body.md ] && cat body.md >> calls.txt; true'}
    done = play(item, work, tools, CODE="10")
    assert done.returncode == 0 and "Nothing to propose" in done.stdout
    (work / "reports" / "changes.md").write_text("# What changed\n")
    done = play(item, work, tools, CODE="10")
    assert done.returncode == 0, done.stderr
    calls = (work / "calls.txt").read_text()
    assert "gh pr create --base main --head update/" in calls and "# What changed" in calls
    subprocess.run(["git", "fetch", "-q"], **git)
    assert subprocess.run(["git", "rev-parse", "origin/main"], **git).stdout == main
    assert "update/" in subprocess.run(["git", "branch", "-r"], **git).stdout


@pytest.mark.parametrize(("age", "end"), [(3, 0), (13, 0), (15, 1), (None, 1)])
def test_staleness_workflow(tmp_path, age, end):
    last = f"date -u -d '-{age} days' +%Y-%m-%dT%H:%M:%SZ" if age is not None else "true"
    gh = f'case "$1 $2" in "run list") {last} ;; "issue create") echo "$*" >> calls.txt ;; esac'
    done = play(steps("staleness.yml")[0], tmp_path, {"gh": gh}, DAYS="14")
    assert done.returncode == end, done.stderr
    assert (tmp_path / "calls.txt").exists() == bool(end)


def test_documented_schedules_are_the_ones_that_run():
    text = (FOLDER.parents[1] / "docs" / "updating.md").read_text(encoding="utf-8")
    for cron in schedules("rerun.yml"):
        assert re.sub(r"\s+", " ", cron) in re.sub(r" +", " ", text), cron
