// tests/peers/sdk/e2b.mjs - E2B's own client, used as its documentation shows, against our server.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import {
	AuthenticationError,
	CommandExitError,
	FileNotFoundError,
	InvalidArgumentError,
	NotFoundError,
	Sandbox,
	TimeoutError,
} from 'e2b'
import WebSocket from 'ws'
import { claim, eventually, judge } from './claim.mjs'

const sbx = await Sandbox.create({
	timeoutMs: 300_000,
	metadata: { app: 'shop & more', user: '123' },
	envs: { GREETING: 'hello' },
})

claim('creates a sandbox that runs and says what it was given', async () => {
	const info = await sbx.getInfo()
	assert.match(sbx.sandboxId, /^i[a-z0-9]{20}$/)
	assert.equal(info.sandboxId, sbx.sandboxId)
	assert.equal(info.state, 'running')
	assert.deepEqual(info.metadata, { app: 'shop & more', user: '123' })
	assert.ok(info.endAt - info.startedAt > 250_000)
	assert.equal(await sbx.isRunning(), true)
})

claim('refuses a wrong key', async () => {
	const apiKey = 'e2b_' + 'f'.repeat(40)
	await assert.rejects(Sandbox.create({ apiKey }), AuthenticationError)
})

claim('refuses a template that is not there', async () => {
	await assert.rejects(Sandbox.create('missing-template'), /404|not found/i)
})

claim('runs a command with its streams apart, its environment and its folder', async () => {
	const out = []
	const r = await sbx.commands.run('echo "$GREETING $NAME"; echo oops >&2; pwd', {
		envs: { NAME: 'world' },
		cwd: '/tmp',
		onStdout: (data) => out.push(data),
	})
	assert.equal(r.exitCode, 0)
	assert.equal(r.stdout, 'hello world\n/tmp\n')
	assert.equal(r.stderr, 'oops\n')
	assert.equal(out.join(''), r.stdout)
})

claim('starts in the home of the user', async () => {
	const r = await sbx.commands.run('pwd; echo $HOME; echo $E2B_SANDBOX_ID')
	assert.equal(r.stdout, `/home/user\n/home/user\n${sbx.sandboxId}\n`)
})

claim('tells the exit status of a command that fails', async () => {
	await assert.rejects(sbx.commands.run('echo partly; exit 7'), (e) => {
		assert.ok(e instanceof CommandExitError)
		assert.equal(e.exitCode, 7)
		assert.equal(e.stdout, 'partly\n')
		return true
	})
	await assert.rejects(sbx.commands.run('no-such-program'), { exitCode: 127 })
})

claim('refuses a folder that is not there', async () => {
	await assert.rejects(sbx.commands.run('true', { cwd: '/nope' }), InvalidArgumentError)
})

claim('carries bytes of every value on both streams', async () => {
	const r = await sbx.commands.run("printf 'a\\0b\\tü'; printf '\\0' >&2")
	assert.equal(r.stdout, 'a\0b\tü')
	assert.equal(r.stderr, '\0')
})

claim('carries ten megabytes of output in order', async () => {
	const r = await sbx.commands.run('seq 1 1500000 | tee /tmp/seq | cat; md5sum /tmp/seq >&2')
	const { createHash } = await import('node:crypto')
	assert.equal(createHash('md5').update(r.stdout).digest('hex'), r.stderr.slice(0, 32))
})

claim('ends a command when its time is over', async () => {
	await assert.rejects(sbx.commands.run('sleep 60', { timeoutMs: 300 }), TimeoutError)
})

claim('streams output while the command runs', async () => {
	let first
	const seen = new Promise((yes) => (first = yes))
	const cmd = await sbx.commands.run('echo first; read line; echo "got $line"', {
		background: true,
		stdin: true,
		onStdout: (data) => data.startsWith('first') && first(),
	})
	await seen
	await sbx.commands.sendStdin(cmd.pid, 'from outside\n')
	const r = await cmd.wait()
	assert.equal(r.stdout, 'first\ngot from outside\n')
})

claim('ends the input of a command', async () => {
	const cmd = await sbx.commands.run('wc -c', { background: true, stdin: true })
	await sbx.commands.sendStdin(cmd.pid, '12345')
	await sbx.commands.closeStdin(cmd.pid)
	assert.equal((await cmd.wait()).stdout.trim(), '5')
})

claim('lists, connects to and kills a background process', async () => {
	const cmd = await sbx.commands.run('while :; do echo tick; sleep 0.05; done', {
		background: true,
		timeoutMs: 0,
	})
	const listed = (await sbx.commands.list()).find((p) => p.pid === cmd.pid)
	assert.equal(listed.cmd, '/bin/bash')
	assert.equal(listed.args[2], 'while :; do echo tick; sleep 0.05; done')
	await cmd.disconnect()
	let ticks = 0
	const again = await sbx.commands.connect(cmd.pid, { onStdout: () => ticks++, timeoutMs: 0 })
	await eventually(() => ticks > 2)
	assert.equal(await sbx.commands.kill(cmd.pid), true)
	await assert.rejects(again.wait(), CommandExitError)
	assert.equal(await sbx.commands.kill(cmd.pid), false)
	assert.ok(!(await sbx.commands.list()).some((p) => p.pid === cmd.pid))
})

claim('knows no process that never was', async () => {
	await assert.rejects(sbx.commands.connect(999999), NotFoundError)
})

claim('writes and reads text, bytes and streams', async () => {
	const written = await sbx.files.write('notes/a.txt', 'some text')
	assert.equal(written.path, '/home/user/notes/a.txt')
	assert.equal(await sbx.files.read('notes/a.txt'), 'some text')
	const bytes = new Uint8Array(5 << 20).map((_, i) => (i * 7) ^ (i >> 8))
	await sbx.files.write('/tmp/bytes', bytes.buffer)
	const back = await sbx.files.read('/tmp/bytes', { format: 'bytes' })
	assert.equal(Buffer.compare(Buffer.from(back), Buffer.from(bytes)), 0)
	const chunks = []
	for await (const c of await sbx.files.read('/tmp/bytes', { format: 'stream' })) chunks.push(c)
	assert.equal(Buffer.compare(Buffer.concat(chunks), Buffer.from(bytes)), 0)
	await sbx.files.write('empty', '')
	assert.equal(await sbx.files.read('empty'), '')
})

claim('writes many files in one request', async () => {
	const files = Array.from({ length: 20 }, (_, i) => ({
		path: `many/${i} ü.txt`,
		data: `file ${i}`,
	}))
	const written = await sbx.files.write(files)
	assert.equal(written.length, 20)
	assert.equal(await sbx.files.read('many/7 ü.txt'), 'file 7')
})

claim('keeps the mode of a file that is overwritten', async () => {
	await sbx.files.write('run.sh', 'echo one')
	await sbx.commands.run('chmod 755 run.sh')
	await sbx.files.write('run.sh', 'echo two')
	assert.equal((await sbx.commands.run('./run.sh')).stdout, 'two\n')
})

claim('lists a folder and describes its entries', async () => {
	await sbx.commands.run('mkdir -p dir/sub && echo 12345 >dir/file && ln -s file dir/link')
	const list = await sbx.files.list('dir', { depth: 2 })
	assert.deepEqual(
		list.map((e) => [e.name, e.type]),
		[['file', 'file'], ['link', 'file'], ['sub', 'dir']],
	)
	assert.equal(list[0].size, 6)
	assert.equal(list[0].permissions, '-rw-r--r--')
	assert.ok(Math.abs(list[0].modifiedTime - Date.now()) < 600_000)
	assert.match(list[1].symlinkTarget, /\/dir\/file$/)
})

claim('makes, moves and removes folders and files', async () => {
	assert.equal(await sbx.files.makeDir('made/deep'), true)
	assert.equal(await sbx.files.makeDir('made/deep'), false)
	await sbx.files.write('made/a', 'x')
	const moved = await sbx.files.rename('made/a', 'made/deep/b')
	assert.equal(moved.path, '/home/user/made/deep/b')
	assert.equal(await sbx.files.exists('made/a'), false)
	assert.equal(await sbx.files.exists('made/deep/b'), true)
	await sbx.files.remove('made')
	assert.equal(await sbx.files.exists('made'), false)
})

claim('knows no file that is not there', async () => {
	await assert.rejects(sbx.files.read('nope'), (e) => e instanceof FileNotFoundError || e instanceof NotFoundError)
	await assert.rejects(sbx.files.list('nope'), NotFoundError)
	await assert.rejects(sbx.files.rename('nope', 'x'), NotFoundError)
	await assert.rejects(sbx.files.write('/tmp', 'x'), InvalidArgumentError)
})

claim('takes uploads and gives downloads by a signed address, and no others', async () => {
	const route = { 'E2b-Sandbox-Id': sbx.sandboxId, 'E2b-Sandbox-Port': '49983' }
	const up = await sbx.uploadUrl('signed.txt', { useSignatureExpiration: 60_000 })
	const form = new FormData()
	form.append('file', new Blob(['signed']), 'signed.txt')
	const put = await fetch(up, { method: 'POST', headers: route, body: form })
	assert.equal(put.status, 200)
	const down = await sbx.downloadUrl('signed.txt', { useSignatureExpiration: 60_000 })
	assert.equal(await (await fetch(down, { headers: route })).text(), 'signed')
	const forged = down.replace(/path=[^&]*/, 'path=other')
	assert.equal((await fetch(forged, { headers: route })).status, 401)
	const bare = down.replace(/&?signature[^&]*/g, '')
	assert.equal((await fetch(bare, { headers: route })).status, 401)
})

const server = `
	const s = require('http').createServer((q, r) => {
		let body = ''
		q.on('data', (d) => (body += d)).on('end', () => {
			r.setHeader('X-Path', q.url)
			r.write('you said ')
			r.end(q.method + ' ' + body)
		})
	})
	s.on('upgrade', (q, c) => {
		const accept = require('crypto').createHash('sha1')
			.update(q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
		c.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
			'Sec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n')
		c.write(Buffer.from([0x81, 5, 104, 101, 108, 108, 111]))
		c.on('error', () => {})
	})
	s.listen(3000, '127.0.0.1', () => console.log('listening'))`

claim('shows what a program serves on a port, by the host name of the client', async () => {
	if (!process.execPath.startsWith('/usr/')) return 'the sandbox does not see this node'
	const host = sbx.getHost(3000)
	assert.match(host, new RegExp(`^3000-${sbx.sandboxId}\\.`))
	const ask = (options = {}) => ({ host: '127.0.0.1', port: new URL(process.env.PEER_URL).port, headers: { Host: host }, ...options })
	const send = (options, body) =>
		new Promise((yes, no) => {
			const q = request(ask(options), async (r) => {
				let text = ''
				for await (const d of r) text += d
				yes({ status: r.statusCode, headers: r.headers, text })
			})
			q.on('error', no)
			q.end(body)
		})
	const closed = await send({ path: '/' })
	assert.equal(closed.status, 502)
	assert.match(JSON.parse(closed.text).message, /port is not open/)
	await sbx.files.write('server.cjs', server)
	const cmd = await sbx.commands.run('node server.cjs', { background: true, timeoutMs: 0 })
	await eventually(async () => (await send({ path: '/' })).status === 200)
	const answer = await send({ path: '/a%20b?c=d%2F', method: 'POST' }, 'hello')
	assert.equal(answer.text, 'you said POST hello')
	assert.equal(answer.headers['x-path'], '/a%20b?c=d%2F')
	const ws = new WebSocket(process.env.PEER_URL.replace('http', 'ws') + '/ws', { headers: { Host: host } })
	const [said] = await once(ws, 'message')
	assert.equal(String(said), 'hello')
	ws.terminate()
	await cmd.kill()
})

claim('works with git as the client does it', async () => {
	await sbx.git.init('repo', { initialBranch: 'main' })
	await sbx.files.write('repo/a.txt', 'a')
	await sbx.git.add('repo')
	await sbx.git.commit('repo', 'first', { authorName: 'Ada', authorEmail: 'ada@example.org' })
	await sbx.git.createBranch('repo', 'topic')
	const branches = await sbx.git.branches('repo')
	assert.deepEqual(branches.branches.sort(), ['main', 'topic'])
	await sbx.files.write('repo/b.txt', 'b')
	const status = await sbx.git.status('repo')
	assert.equal(status.currentBranch, 'topic')
	assert.ok(status.fileStatus.some((f) => f.name === 'b.txt'))
})

claim('measures what a sandbox uses', async () => {
	const [m] = await sbx.getMetrics()
	assert.ok(m.cpuCount >= 1)
	assert.ok(m.memUsed > 0 && m.memUsed < m.memTotal)
	assert.ok(m.diskUsed > 0 && m.diskUsed <= m.diskTotal)
})

claim('gives a terminal that can be typed into and resized', async () => {
	let shown = ''
	const pty = await sbx.pty.create({
		cols: 90,
		rows: 30,
		onData: (data) => (shown += new TextDecoder().decode(data)),
		timeoutMs: 0,
	})
	const type = (text) => sbx.pty.sendInput(pty.pid, new TextEncoder().encode(text))
	await type('echo size: $(stty size)\n')
	await eventually(() => shown.includes('size: 30 90'))
	await sbx.pty.resize(pty.pid, { cols: 100, rows: 40 })
	await type('echo size: $(stty size)\n')
	await eventually(() => shown.includes('size: 40 100'))
	await type('exit 3\n')
	await assert.rejects(pty.wait(), { exitCode: 3 })
})

claim('pauses a sandbox with its processes and resumes it', async () => {
	const box = await Sandbox.create({ timeoutMs: 300_000 })
	const cmd = await box.commands.run('while sleep 0.02; do echo tick >>/tmp/ticks; done', {
		background: true,
		timeoutMs: 0,
	})
	await cmd.disconnect()
	await box.files.write('kept', 'yes')
	await eventually(async () => await box.files.exists('/tmp/ticks'))
	assert.equal(await box.pause(), true)
	assert.equal((await Sandbox.getInfo(box.sandboxId)).state, 'paused')
	assert.equal(await box.isRunning(), false)
	await assert.rejects(box.commands.run('true'))
	const again = await Sandbox.connect(box.sandboxId, { timeoutMs: 60_000 })
	assert.equal(again.sandboxId, box.sandboxId)
	assert.equal(await again.files.read('kept'), 'yes')
	assert.ok((await again.commands.list()).some((p) => p.pid === cmd.pid))
	const before = (await again.files.getInfo('/tmp/ticks')).size
	await eventually(async () => (await again.files.getInfo('/tmp/ticks')).size > before)
	assert.equal(await again.kill(), true)
})

claim('ends a sandbox when its time is over', async () => {
	const box = await Sandbox.create({ timeoutMs: 300_000 })
	await box.setTimeout(1000)
	await eventually(async () => !(await box.isRunning()))
	await assert.rejects(Sandbox.getInfo(box.sandboxId), NotFoundError)
})

claim('pauses a sandbox at its end when asked to, and wakes it by traffic', async () => {
	const box = await Sandbox.create({
		timeoutMs: 300_000,
		lifecycle: { onTimeout: 'pause', autoResume: true },
	})
	await box.files.write('kept', 'yes')
	await box.setTimeout(1000)
	await eventually(async () => (await Sandbox.getInfo(box.sandboxId)).state === 'paused')
	assert.equal(await box.files.read('kept'), 'yes')
	assert.equal((await Sandbox.getInfo(box.sandboxId)).state, 'running')
	await box.kill()
})

claim('lists sandboxes page by page, by state and by metadata', async () => {
	const made = []
	for (let i = 0; i < 5; i++)
		made.push(await Sandbox.create({ metadata: { group: 'a b&c=d', n: String(i) } }))
	await made[0].pause()
	const found = []
	const pages = Sandbox.list({ limit: 2, query: { metadata: { group: 'a b&c=d' } } })
	let count = 0
	while (pages.hasNext) {
		const items = await pages.nextItems()
		assert.ok(items.length <= 2)
		found.push(...items)
		count++
	}
	assert.equal(count, 3)
	assert.deepEqual(found.map((s) => s.sandboxId), made.map((s) => s.sandboxId).reverse())
	const paused = await Sandbox.list({ query: { state: ['paused'] } }).nextItems()
	assert.deepEqual(paused.map((s) => s.sandboxId), [made[0].sandboxId])
	for (const s of made) assert.equal(await s.kill(), true)
})

claim('kills a sandbox under a running command, which hears of it', async () => {
	const box = await Sandbox.create()
	const cmd = await box.commands.run('sleep 60', { background: true, timeoutMs: 0 })
	assert.equal(await box.kill(), true)
	await assert.rejects(cmd.wait())
	assert.equal(await Sandbox.kill(box.sandboxId), false)
})

claim('runs fifty commands at once', async () => {
	const runs = Array.from({ length: 50 }, (_, i) => sbx.commands.run(`echo ${i}`))
	const results = await Promise.all(runs)
	assert.deepEqual(results.map((r) => r.stdout.trim()), results.map((_, i) => String(i)))
})

await judge(() => sbx.kill())
