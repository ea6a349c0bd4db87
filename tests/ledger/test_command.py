"""`wushe ledger` as a program: exit codes and what is printed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from tests.ledger import kill_program as program
from tests.support.database import fresh_database
from tests.support.site import ROOT, program_environment, run_wushe

_BEND = """
import django
django.setup()
from wushe.ledger.models import LedgerAccount
LedgerAccount.objects.filter(holder_kind="FUND").update(balance=5)
"""


def test_verify_and_balance(tmp_path: Path, fault_fired: Callable[[str], None]) -> None:
    with fresh_database("ledgercommand") as url:
        environment = program_environment(tmp_path, url)
        run_wushe(environment, "ledger", "verify")
        inside = {**environment, "DJANGO_SETTINGS_MODULE": "wushe.config.settings", "PYTHONPATH": str(ROOT)}

        def python(*arguments: str) -> None:
            subprocess.run(
                [sys.executable, *arguments], env=inside, cwd=ROOT, check=True, capture_output=True
            )

        python(str(Path(program.__file__)), "prepare")
        python(str(Path(program.__file__)), "post", "0", "0")
        report = json.loads(run_wushe(environment, "ledger", "verify", "--json").stdout)
        assert (report["ok"], report["found"], report["accounts"]) == (True, 0, 3)
        assert report["entries"] == 2 * report["transfers"] == 2 * (program.SINGLES + program.BATCH + 1)
        held = json.loads(run_wushe(environment, "ledger", "balance", str(program.FUND), "--json").stdout)
        assert [(row["holder_kind"], row["balance"]) for row in held["accounts"]] == [("FUND", 1)]
        assert "FUND  1 MINUTES" in run_wushe(environment, "ledger", "balance", str(program.FUND)).stdout
        nobody = run_wushe(environment, "ledger", "balance", str(uuid4()), check=False)
        assert (nobody.returncode, nobody.stdout) == (1, "")
        assert run_wushe(environment, "ledger", "balance", "x", check=False).returncode == 2
        python("-c", _BEND)
        fault_fired("a cached balance was changed")
        bent = run_wushe(environment, "ledger", "verify", check=False)
        assert bent.returncode == 1
        assert bent.stderr.startswith("ACCOUNT_BALANCE: ledger.LedgerAccount ")
        bent = run_wushe(environment, "ledger", "verify", "--json", check=False)
        assert (bent.returncode, json.loads(bent.stdout)["found"]) == (1, 1)
