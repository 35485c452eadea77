// tests/peers/sdk/claim.mjs - claims in TAP.
//
// Each is a sentence and an async function that throws when it is not so. They run one after the other; one that takes
// longer than a minute has failed, one that returns words could not be tried for that reason.
import assert from 'node:assert/strict'

const claims = []

export function claim(words, check) {
	claims.push([words, check])
}

function atMost(ms, promise) {
	let timer
	const late = new Promise((_, no) => {
		timer = setTimeout(() => no(new Error(`took longer than ${ms} ms`)), ms)
	})
	return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// Calls `check` until it returns something true.
export async function eventually(check, ms = 30000) {
	const end = Date.now() + ms
	for (;;) {
		const value = await check()
		if (value) return value
		assert.ok(Date.now() < end, `not true within ${ms} ms: ${check}`)
		await new Promise((go) => setTimeout(go, 20))
	}
}

// Runs them and ends the process.
export async function judge(atTheEnd) {
	let failed = 0
	console.log(`1..${claims.length}`)
	for (const [i, [words, check]] of claims.entries()) {
		try {
			const skipped = await atMost(60000, check())
			console.log(`ok ${i + 1} - ${words}${skipped ? ` # SKIP ${skipped}` : ''}`)
		} catch (e) {
			failed++
			console.log(`not ok ${i + 1} - ${words}`)
			console.log(String(e?.stack ?? e).replace(/^/gm, '# '))
		}
	}
	await atTheEnd?.()
	process.exit(failed ? 1 : 0)
}
