# From meson's testlog.json (one object a test program): which programs failed, and the closing line.
def claims(pattern): [(.stdout // "") | split("\n")[] | select(test(pattern))] | length;

def counted:
	(claims("^\\s*not ok( |$)(?!.*# (TODO|SKIP))")) as $bad
	| (claims("^\\s*(not )?ok .*# (?i:skip)")) as $skipped
	| (claims("^\\s*ok( |$)") - claims("^\\s*ok .*# (?i:skip)")) as $good
	| if .result == "SKIP" and $good == 0 then {passed: 0, failed: 0, skipped: 1}
	  elif (.result | IN("OK", "EXPECTEDFAIL")) then
		{passed: (if $good + $skipped == 0 then 1 else $good end), failed: 0, skipped: $skipped}
	  else {passed: $good, failed: (if $bad == 0 then 1 else $bad end), skipped: $skipped} end;

(.[] | select(.result | IN("OK", "EXPECTEDFAIL", "SKIP") | not) | "failed: \(.name) (\(.result))"),
(map(counted)
	| {passed: (map(.passed) | add // 0), failed: (map(.failed) | add // 0),
	   skipped: (map(.skipped) | add // 0)}
	| "\(.passed) passed, \(.failed) failed" + (if .skipped > 0 then ", \(.skipped) skipped" else "" end))
