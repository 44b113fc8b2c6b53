"""Lines of one template are one, whatever stands in the place of its values; what the program's
author wrote parts them.
"""

from __future__ import annotations

import pytest

from cihealing.reading.fingerprint import line_hash
from cihealing.reading.masks import template
from tests.tables import table

ALIKE = [
    (
        "PacketResponder 1 for block blk_38865049064139660 terminating",
        "PacketResponder 0 for block blk_-6952295868487656571 terminating",
    ),
    (
        (
            "BLOCK* NameSystem.allocateBlock:"
            " /user/root/randtxt/_temporary/_task_200811092030_0001_m_000590_0/part-00590."
            " blk_-1608"
        ),
        "BLOCK* NameSystem.allocateBlock: /mnt/hadoop/mapred/system/job_2008/job.jar. blk_-1",
    ),
    (
        (
            "Registering class org.apache.hadoop.mapreduce.jobhistory.EventType for class"
            " org.apache.hadoop.mapreduce.v2.app.MRAppMaster$A"
        ),
        (
            "Registering class org.apache.hadoop.mapreduce.v2.app.job.event.TaskEventType for class"
            " org.apache.hadoop.mapreduce.v2.app.MRAppMaster$TaskEventDispatcher"
        ),
    ),
    (
        "Recalculating schedule, headroom=<memory:0, vCores:-27>",
        "Recalculating schedule, headroom=<memory:1024, vCores:3>",
    ),
    (
        "After Scheduling: PendingReds:0 ScheduledMaps:5 ScheduledReds:0 CompletedMaps:0",
        "After Scheduling: PendingReds:1 ScheduledMaps:10 ScheduledReds:0 CompletedMaps:10",
    ),
    (
        (
            "Failed to renew lease for [DFSClient_NONMAPREDUCE_1537864556_1] for 51 seconds.  Will"
            " retry shortly ..."
        ),
        (
            "Failed to renew lease for [DFSClient_NONMAPREDUCE_153_1] for 513 seconds.  Will retry"
            " shortly ..."
        ),
    ),
    ("Found block rdd_42_20 locally", "Found block rdd_2_3 locally"),
    (
        "Finished task 0.0 in stage 0.0 (TID 0). 2703 bytes result sent to driver",
        "Finished task 13.0 in stage 11.0 (TID 456). 2703 bytes result sent to driver",
    ),
    (
        "Block broadcast_0_piece0 stored as bytes in memory (estimated size 5.2 KB, free 317.5 KB)",
        (
            "Block broadcast_12_piece0 stored as bytes in memory (estimated size 93.0 B, free"
            " 1317.5 MB)"
        ),
    ),
    (
        "Block rdd_2_1 stored as values in memory (estimated size 46.7 KB, free 3.8 MB)",
        "Block broadcast_0 stored as values in memory (estimated size 8 B, free 33 KB)",
    ),
    (
        "Times: total = 41, boot = -925, init = 967, finish = 0",
        "Times: total = 1, boot = 25, init = 7, finish = 1",
    ),
    (
        "Successfully started service 'sparkExecutorActorSystem' on port 55904.",
        "Successfully started service 'org.apache.x.NettyBlockTransferService' on port 5.",
    ),
    (
        "Received connection request /10.10.34.11:45307",
        "Received connection request /10.10.34.12:5307",
    ),
    (
        (
            "Closed socket connection for client /10.10.34.13:43128 which had sessionid"
            " 0x14f05578bd80006"
        ),
        "Closed socket connection for client /10.1.34.13:4 which had sessionid 0x24f",
    ),
    (
        "Connection broken for id 188978561024, my id = 1, error =",
        "Connection broken for id 1, my id = 2, error =",
    ),
    (
        "Notification: 2 (n.leader), 0x0 (n.zxid), 0x1 (n.round), LOOKING (n.state), 1 (n.sid)",
        "Notification: 3 (n.leader), 0x100 (n.zxid), 0x2 (n.round), LOOKING (n.state), 2 (n.sid)",
    ),
    ("generating core.2275", "generating core.862"),
    ("CE sym 2, at 0x0b85eee0, mask 0x05", "CE sym 33, at 0x0b85eef0, mask 0x80"),
    (
        "problem communicating with service card, ido chip: FF:F2:9F:16:DC:04:00:0D:23:E9",
        "problem communicating with service card, ido chip: AF:F2:9F:16:DE:04:00:0D:60:E9",
    ),
    ("iar 00106570 dear 0245a15c", "iar aabbccdd dear 0245a15c"),
    (
        "Targeting domains:node-D1 and nodes:node-[40-63] child of command 2763",
        "Targeting domains:node-D0 and nodes:node-8 child of command 3",
    ),
    (
        "Link error on broadcast tree Interconnect-0T00:00:0:0",
        "Link error on broadcast tree Interconnect-1T10:01:3:2",
    ),
    ("ServerFileSystem domain storage442 is full", "ServerFileSystem domain storage1 is full"),
    ("session opened for user root by (uid=0)", "session opened for user news by (uid=0)"),
    ("session closed for user root", "session closed for user cyrus"),
    (
        "DHCPDISCOVER from 00:11:43:e3:ba:c3 via eth1: network A_net: no free leases",
        "DHCPDISCOVER from 00:11:43:e3:ba:d4 via eth1: network A_net: no free leases",
    ),
    (
        (
            "Loaded Servicing Stack v6.1.7601.23505 with Core:"
            " C:\\Windows\\winsxs\\amd64_ms-w_31bf\\cbscore.dll"
        ),
        (
            "Loaded Servicing Stack v6.1.7601.17592 with Core:"
            " C:\\Windows\\winsxs\\amd64_x\\cbscore.dll"
        ),
    ),
    (
        (
            "SQM: Failed to start upload with file pattern: C:\\Windows\\servicing\\sqm\\*_std.sqm,"
            " flags: 0x2 [HRESULT = 0x80004005 - E_FAIL]"
        ),
        (
            "SQM: Failed to start upload with file pattern: C:\\Windows\\servicing\\sqm\\*_all.sqm,"
            " flags: 0x6 [HRESULT = 0x80004005 - E_FAIL]"
        ),
    ),
    (
        "Session: 30546354_3247 initialized by client SPP.",
        "Session: 30546173_4261462624 initialized by client SPP.",
    ),
    (
        "00000001@2016/9/27:20:40:53.744 CSI Transaction @0x47e8a0 initialized",
        "00000003@2016/9/28:02:40:53.744 CSI Transaction @0x347e0f0 initialized",
    ),
    (
        (
            "Loading offline registry hive: SOFTWARE, into registry key '{bf1a-ad7b}SOFTWARE' from"
            " path '\\\\?\\GLOBALROOT\\Device'"
        ),
        (
            "Loading offline registry hive: SOFTWARE, into registry key '{b-ad7b}X' from path"
            " '\\\\?\\GLOBALROOT\\Dev'"
        ),
    ),
    ("[<ffffffff8010ff5b>] sys_x", "[<fffffff18010ff5b>] sys_x"),
    (
        "total of 1 ddr error(s) detected and corrected",
        "total of 12 ddr error(s) detected and corrected",
    ),
    (
        "ACPI: LAPIC (acpi_id[0x0a] lapic_id[0x8a] enabled)",
        "ACPI: LAPIC (acpi_id[0x01] lapic_id[0x00] enabled)",
    ),
    ("Node card VPD check: missing U11 node", "Node card VPD check: missing U01 node"),
    ("R02-M1-N0-C:J12-U11 ok", "R12-M0-N4-C:J02-U01 ok"),
    ("ambient=28", "ambient=31"),
    ("PSU status ( on off )", "PSU status ( on off )"),
    (
        "Accepted socket connection from /10.10.34.11:3",
        "Accepted socket connection from /10.10.34.12:38",
    ),
    ("synchronized to 10.100.20.250, stratum 3", "synchronized to 10.100.24.250, stratum 2"),
    ("Jetty bound to port 62267", "Jetty bound to port 2"),
    (
        "Deleting block blk_-16 file /data/current/blk_-16",
        "Deleting block blk_77 file /mnt/x/blk_77",
    ),
    (
        "Progress of attempt_14_0020_m_000000_0 is : 0.17958",
        "Progress of attempt_14_0020_m_000002_0 is : 1.0",
    ),
    ("session opened for user root by (uid=0)", "session opened for user news by (uid=0)"),
    (
        "Failed password for root from 10.0.0.1 port 22 ssh2",
        "Failed password for ann from 10.0.0.2 port 2200 ssh2",
    ),
    ("reading hdfs://db.example.org:9000/logs/a.log:21876+7292", "reading hdfs://db:9/x:0+7"),
    ("service 'a' on port 1.", "service 'b.C' on port 22."),
]
UNLIKE = [
    (
        "machine check: i-fetch......................0",
        "machine check: d-fetch......................0",
    ),
    (
        "attempt_1_m_0 TaskAttempt Transitioned from NEW to UNASSIGNED",
        "attempt_1_m_0 TaskAttempt Transitioned from UNASSIGNED to ASSIGNED",
    ),
    ("Running task 0.0 in stage 0.0 (TID 0)", "Finished task 0.0 in stage 0.0 (TID 0)"),
    (
        "Block broadcast_0 stored as values in memory (estimated size 5.2 KB, free 3 KB)",
        "Block broadcast_0_piece0 stored as bytes in memory (estimated size 5.2 KB, free 3 KB)",
    ),
    ("session opened for user root by (uid=0)", "session closed for user root"),
    ("data TLB error interrupt", "instruction cache parity error corrected"),
    (
        "disable speculative access..................0",
        "enable speculative access..................0",
    ),
    ("job a: exit code 1", "job a: exit code 2"),
    ("action org.example.SCREEN_ON", "action org.example.SCREEN_OFF"),
]


@table("lines", ALIKE)
def test_values_do_not_part_lines(lines: tuple[str, str]) -> None:
    assert template(lines[0]) == template(lines[1])
    assert line_hash(lines[0]) == line_hash(lines[1])


@pytest.mark.parametrize("lines", UNLIKE)
def test_words_part_lines(lines: tuple[str, str]) -> None:
    assert template(lines[0]) != template(lines[1])


def test_templates_keep_the_words() -> None:
    assert (
        template("Worker node-7 lost task_12 after 3.5 s (exit code 137)")
        == "Worker <v> lost <v> after <v> (exit code 137)"
    )
