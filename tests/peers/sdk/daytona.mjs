// tests/peers/sdk/daytona.mjs - Daytona's own client, used as its documentation shows, against our server.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { Daytona, DaytonaError, DaytonaNotFoundError } from '@daytona/sdk'
import { claim, eventually, judge } from './claim.mjs'

const daytona = new Daytona()
const box = await daytona.create({
	name: 'first',
	envVars: { GREETING: 'hello' },
	labels: { app: 'shop', tier: 'a b' },
	autoStopInterval: 0,
})

claim('creates a sandbox that runs and says what it was given', async () => {
	assert.equal(box.state, 'started')
	assert.match(box.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
	assert.equal(box.labels.app, 'shop')
	assert.equal(box.autoStopInterval, 0)
	const byName = await daytona.get('first')
	assert.equal(byName.id, box.id)
})

claim('refuses a wrong key, a taken name and a snapshot that is not there', async () => {
	const other = new Daytona({ apiKey: 'dtn_wrong' })
	await assert.rejects(other.get(box.id), (e) => e.statusCode === 401)
	await assert.rejects(daytona.create({ name: 'first' }), (e) => e.statusCode === 409)
	await assert.rejects(daytona.create({ snapshot: 'nope' }), (e) => e.statusCode === 400)
})

claim('knows no sandbox that is not there', async () => {
	await assert.rejects(daytona.get('nope'), DaytonaNotFoundError)
})

claim('runs a command with its environment, its folder and its status', async () => {
	const r = await box.process.executeCommand(
		'echo "$GREETING $NAME"; echo oops >&2; pwd; exit 3',
		'/tmp',
		{ NAME: 'world' },
	)
	assert.equal(r.exitCode, 3)
	assert.equal(r.result, 'hello world\noops\n/tmp\n')
	assert.equal((await box.process.executeCommand('pwd')).result.trim(), '/home/daytona')
	assert.equal(await box.getUserHomeDir(), '/home/daytona')
})

claim('ends a command when its time is over', async () => {
	await assert.rejects(
		box.process.executeCommand('sleep 60', undefined, undefined, 1),
		(e) => e.statusCode === 408,
	)
})

claim('lets a program eat the rest of a command, as the real one does', async () => {
	const r = await box.process.executeCommand('cat\necho never run')
	assert.equal(r.result, 'echo never run\n')
})

claim('uploads and downloads bytes of every value', async () => {
	const bytes = Buffer.from(new Uint8Array(5 << 20).map((_, i) => (i * 7) ^ (i >> 8)))
	await box.fs.uploadFile(bytes, 'data/bytes')
	assert.equal(Buffer.compare(await box.fs.downloadFile('data/bytes'), bytes), 0)
	await box.fs.uploadFile(Buffer.alloc(0), 'data/empty')
	assert.equal((await box.fs.getFileDetails('data/empty')).size, 0)
})

claim('uploads many files and downloads them in one go', async () => {
	const files = Array.from({ length: 20 }, (_, i) => ({
		source: Buffer.from(`file ${i}`),
		destination: `many/${i} ü.txt`,
	}))
	await box.fs.uploadFiles(files)
	const back = await box.fs.downloadFiles([
		...files.map((f) => ({ source: f.destination })),
		{ source: 'many/nope' },
	])
	assert.deepEqual(
		back.slice(0, 20).map((f) => String(f.result)),
		files.map((f) => String(f.source)),
	)
	assert.ok(back[20].error)
	assert.equal(back[20].errorDetails.statusCode, 404)
})

claim('streams a download', async () => {
	await box.process.executeCommand('seq 1 200000 >/tmp/seq')
	const chunks = []
	for await (const c of await box.fs.downloadFileStream('/tmp/seq')) chunks.push(c)
	const lines = Buffer.concat(chunks).toString().trim().split('\n')
	assert.equal(lines.length, 200000)
	assert.equal(lines[199999], '200000')
})

claim('makes, lists, describes, moves and removes files', async () => {
	await box.fs.createFolder('dir/sub', '755')
	await box.fs.uploadFile(Buffer.from('12345'), 'dir/file')
	await box.process.executeCommand('ln -s file dir/link; ln -s nowhere dir/dangling')
	const list = await box.fs.listFiles('dir')
	assert.deepEqual(
		list.map((f) => [f.name, f.isDir]),
		[['file', false], ['link', false], ['sub', true]],
	)
	await box.fs.setFilePermissions('dir/file', { mode: '640' })
	const info = await box.fs.getFileDetails('dir/file')
	assert.equal(info.size, 5)
	assert.equal(info.permissions, '0640')
	await box.fs.moveFiles('dir/file', 'dir/sub/moved')
	const deep = await box.fs.listFiles('dir', { depth: 2 })
	assert.ok(deep.some((f) => f.path.endsWith('dir/sub/moved')))
	await assert.rejects(box.fs.deleteFile('dir'), DaytonaError)
	await box.fs.deleteFile('dir', true)
	await assert.rejects(box.fs.getFileDetails('dir'), DaytonaNotFoundError)
})

claim('finds and replaces in files', async () => {
	await box.fs.uploadFile(Buffer.from('one\ntwo TODO: a\nthree\n'), 'src/a.txt')
	await box.fs.uploadFile(Buffer.from('nothing\n'), 'src/b.md')
	const hits = await box.fs.findFiles('src', 'TODO:')
	assert.deepEqual(
		hits.map((h) => [h.file, h.line, h.content]),
		[['/home/daytona/src/a.txt', 2, 'two TODO: a']],
	)
	assert.deepEqual((await box.fs.searchFiles('src', '*.md')).files, ['/home/daytona/src/b.md'])
	await box.fs.replaceInFiles(['src/a.txt'], 'TODO: a', 'done $& \\1')
	assert.equal(String(await box.fs.downloadFile('src/a.txt')), 'one\ntwo done $& \\1\nthree\n')
})

claim('keeps the folder and variables of a session', async () => {
	const s = 'work'
	await box.process.createSession(s)
	await assert.rejects(box.process.createSession(s), (e) => e.statusCode === 409)
	await box.process.executeSessionCommand(s, { command: 'cd /tmp && export WORD=kept' })
	const r = await box.process.executeSessionCommand(s, {
		command: 'pwd; echo $WORD; echo oops >&2; (exit 5)',
	})
	assert.equal(r.exitCode, 5)
	assert.equal(r.stdout, '/tmp\nkept\n')
	assert.equal(r.stderr, 'oops\n')
	const session = await box.process.getSession(s)
	assert.equal(session.commands.length, 2)
	assert.equal(session.commands[1].exitCode, 5)
	assert.ok((await box.process.listSessions()).some((x) => x.sessionId === s))
	await box.process.deleteSession(s)
	await assert.rejects(box.process.getSession(s), DaytonaNotFoundError)
})

claim('follows the log of a command while it runs, and gives it input', async () => {
	await box.process.createSession('live')
	const { cmdId } = await box.process.executeSessionCommand('live', {
		command: 'echo first; read line; echo "got $line" >&2',
		runAsync: true,
		suppressInputEcho: true,
	})
	let out = ''
	let err = ''
	const followed = box.process.getSessionCommandLogs(
		'live',
		cmdId,
		(data) => (out += data),
		(data) => (err += data),
	)
	await eventually(() => out.includes('first'))
	assert.equal((await box.process.getSessionCommand('live', cmdId)).exitCode, undefined)
	await box.process.sendSessionCommandInput('live', cmdId, 'from outside')
	await followed
	assert.equal(out, 'first\n')
	assert.equal(err, 'got from outside\n')
	const logs = await box.process.getSessionCommandLogs('live', cmdId)
	assert.equal(logs.stdout, 'first\n')
	assert.equal(logs.stderr, 'got from outside\n')
	assert.equal((await box.process.getSessionCommand('live', cmdId)).exitCode, 0)
	await box.process.deleteSession('live')
})

claim('gives a terminal that can be typed into and resized', async () => {
	let shown = ''
	const pty = await box.process.createPty({
		id: 'term',
		cols: 90,
		rows: 30,
		envs: { WORD: 'kept' },
		onData: (data) => (shown += new TextDecoder().decode(data)),
	})
	await pty.sendInput('echo size: $(stty size) $WORD\n')
	await eventually(() => shown.includes('size: 30 90 kept'))
	await pty.resize(100, 40)
	await pty.sendInput('echo size: $(stty size)\n')
	await eventually(() => shown.includes('size: 40 100'))
	assert.ok((await box.process.listPtySessions()).some((p) => p.id === 'term'))
	await pty.sendInput('exit 3\n')
	assert.equal((await pty.wait()).exitCode, 3)
	await assert.rejects(box.process.getPtySessionInfo('term'), DaytonaNotFoundError)
})

claim('shows what a program serves on a port to those who have the token', async () => {
	await box.fs.uploadFile(Buffer.from('<h1>hi</h1>'), 'site/index.html')
	await box.process.createSession('web')
	await box.process.executeSessionCommand('web', {
		command: 'exec busybox httpd -f -p 127.0.0.1:8000 -h /home/daytona/site',
		runAsync: true,
	})
	const link = await box.getPreviewLink(8000)
	const get = (url, headers = {}) =>
		new Promise((yes, no) => {
			const { hostname, port, pathname } = new URL(url)
			const where = { host: '127.0.0.1', port, path: pathname, headers: { Host: hostname, ...headers } }
			request(where, async (r) => {
				let text = ''
				for await (const d of r) text += d
				yes({ status: r.statusCode, text })
			}).on('error', no).end()
		})
	const token = { 'x-daytona-preview-token': link.token }
	await eventually(async () => (await get(link.url, token)).status === 200)
	assert.equal((await get(link.url, token)).text, '<h1>hi</h1>')
	assert.equal((await get(link.url)).status, 307)
	const signed = await box.getSignedPreviewUrl(8000, 60)
	assert.equal((await get(signed.url)).text, '<h1>hi</h1>')
	await box.expireSignedPreviewUrl(8000, signed.token)
	assert.equal((await get(signed.url)).status, 307)
	await box.process.deleteSession('web')
})

claim('works with git as the client does it', async () => {
	await box.git.init('repo', undefined, 'main')
	await box.fs.uploadFile(Buffer.from('a'), 'repo/a.txt')
	let status = await box.git.status('repo')
	assert.equal(status.currentBranch, 'main')
	assert.equal(status.fileStatus[0].name, 'a.txt')
	assert.equal(status.fileStatus[0].worktree, 'Untracked')
	await box.git.add('repo', ['a.txt'])
	const { sha } = await box.git.commit('repo', 'first', 'Ada', 'ada@example.org')
	assert.match(sha, /^[0-9a-f]{40}$/)
	await box.git.createBranch('repo', 'topic')
	await box.git.checkoutBranch('repo', 'topic')
	status = await box.git.status('repo')
	assert.equal(status.currentBranch, 'topic')
	assert.deepEqual((await box.git.branches('repo')).branches.sort(), ['main', 'topic'])
	await box.git.checkoutBranch('repo', 'main')
	await box.git.deleteBranch('repo', 'topic')
	await box.git.clone('/home/daytona/repo', 'copy')
	assert.equal(String(await box.fs.downloadFile('copy/a.txt')), 'a')
	await assert.rejects(box.git.status('nope'), DaytonaError)
})

claim('resets, restores, configures and names remotes with git', async () => {
	await box.git.init('more', undefined, 'main')
	await box.git.configureUser('Ada', 'ada@example.org', 'local', 'more')
	assert.equal(await box.git.getConfig('user.name', 'local', 'more'), 'Ada')
	assert.equal(await box.git.getConfig('no.such', 'local', 'more'), undefined)
	await box.git.setConfig('core.pager', 'cat')
	assert.equal(await box.git.getConfig('core.pager'), 'cat')
	await box.fs.uploadFile(Buffer.from('one'), 'more/a.txt')
	await box.git.add('more', ['a.txt'])
	await box.git.commit('more', 'one', 'Ada', 'ada@example.org')
	await box.fs.uploadFile(Buffer.from('two'), 'more/a.txt')
	await box.git.restore('more', ['a.txt'])
	assert.equal(String(await box.fs.downloadFile('more/a.txt')), 'one')
	await box.fs.uploadFile(Buffer.from('three'), 'more/a.txt')
	await box.git.reset('more', 'hard')
	assert.equal(String(await box.fs.downloadFile('more/a.txt')), 'one')
	await box.git.remoteAdd('more', 'origin', '/home/daytona/repo')
	assert.equal(await box.git.remoteGet('more', 'origin'), '/home/daytona/repo')
	await assert.rejects(box.git.remoteAdd('more', 'origin', 'x'), DaytonaError)
})

claim('takes uploads and gives downloads by a signed address, and no others', async () => {
	const form = new FormData()
	form.append('file', new Blob(['signed']), 'a.txt')
	const put = await fetch(await box.uploadUrl('signed.txt', 60), { method: 'POST', body: form })
	assert.equal(put.status, 200)
	const url = await box.downloadUrl('signed.txt', 60)
	assert.equal(await (await fetch(url)).text(), 'signed')
	assert.equal((await fetch(url.replace('signed.txt', 'other.txt'))).status, 401)
	await box.rotateSigningKey()
	assert.equal((await fetch(url)).status, 401)
})

claim('sets labels and intervals', async () => {
	assert.deepEqual(await box.setLabels({ app: 'other' }), { app: 'other' })
	await box.setAutoArchiveInterval(60)
	await box.setAutoDeleteInterval(120)
	await box.refreshData()
	assert.equal(box.autoArchiveInterval, 60)
	assert.equal(box.autoDeleteInterval, 120)
	assert.deepEqual(box.labels, { app: 'other' })
})

claim('stops and starts a sandbox; files stay, commands wait for the start', async () => {
	await box.fs.uploadFile(Buffer.from('yes'), 'kept')
	await box.stop()
	assert.equal(box.state, 'stopped')
	await assert.rejects(box.process.executeCommand('true'), (e) => e.statusCode === 400)
	await assert.rejects(box.pause(), DaytonaError)
	await box.start()
	assert.equal(box.state, 'started')
	assert.equal(String(await box.fs.downloadFile('kept')), 'yes')
})

claim('archives a stopped sandbox and starts it again', async () => {
	const old = await daytona.create({ autoStopInterval: 0 })
	await old.stop()
	await old.archive()
	await old.refreshData()
	assert.equal(old.state, 'archived')
	await old.start()
	assert.equal((await old.process.executeCommand('echo back')).result, 'back\n')
	await old.delete()
})

claim('stops a sandbox that is idle, and deletes one that is ephemeral', async () => {
	const idle = await daytona.create({ autoStopInterval: 1 })
	const short = await daytona.create({ ephemeral: true, autoStopInterval: 1 })
	await eventually(async () => {
		await idle.refreshData()
		return idle.state === 'stopped'
	})
	await eventually(() => daytona.get(short.id).then(() => false, (e) => e instanceof DaytonaNotFoundError))
	await idle.delete()
})

claim('lists sandboxes page by page and by label', async () => {
	const made = []
	for (let i = 0; i < 5; i++) made.push(await daytona.create({ autoStopInterval: 0, labels: { group: 'a&b=c' } }))
	const found = []
	for await (const s of daytona.list({ labels: { group: 'a&b=c' }, limit: 2 })) found.push(s.id)
	assert.deepEqual(found, made.map((s) => s.id).reverse())
	await made[0].stop()
	const stopped = []
	for await (const s of daytona.list({ states: ['stopped'] })) stopped.push(s.id)
	assert.deepEqual(stopped, [made[0].id])
	for (const s of made) await s.delete()
})

claim('runs fifty commands at once', async () => {
	const runs = Array.from({ length: 50 }, (_, i) => box.process.executeCommand(`echo ${i}`))
	const results = await Promise.all(runs)
	assert.deepEqual(results.map((r) => r.result.trim()), results.map((_, i) => String(i)))
})

await judge(() => box.delete())
