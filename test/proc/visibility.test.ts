import { expect, it } from 'vitest';
import { parseProcMount, visibility } from '../../lib/proc/visibility.js';
import { FakeProc } from '../support/proc-tree.js';

const line = (directory: string, options: string, type = 'proc') =>
  `45 43 0:21 / ${directory} rw,relatime shared:5 - ${type} proc ${options}\n`;

it.each([
  ['rw', 'off', 0],
  ['rw,hidepid=0', 'off', 0],
  ['rw,hidepid=off', 'off', 0],
  ['rw,hidepid=1', 'noaccess', 0],
  ['rw,hidepid=noaccess', 'noaccess', 0],
  ['rw,hidepid=2', 'invisible', 0],
  ['rw,gid=27,hidepid=invisible', 'invisible', 27],
  ['rw,hidepid=4,gid=27', 'ptraceable', 27],
  ['rw,hidepid=ptraceable,subset=pid', 'ptraceable', 0],
])('reads the mount options %s', (options, hidepid, gid) => {
  expect(parseProcMount(line('/proc', options), '/proc')).toEqual({ hidepid, gid });
});

it('takes the last mount at the directory, and no other', () => {
  const mountinfo =
    line('/proc', 'rw,hidepid=1') +
    line('/proc', 'rw,hidepid=2') +
    line('/proc', 'rw,hidepid=4', 'tmpfs') +
    line('/proc/sys', 'rw') +
    line('/srv/proc', 'rw,hidepid=4');
  expect(parseProcMount(mountinfo, '/proc')?.hidepid).toBe('invisible');
  expect(parseProcMount(mountinfo, '/srv/proc')?.hidepid).toBe('ptraceable');
  expect(parseProcMount(mountinfo, '/srv')).toBeUndefined();
});

it('finds a directory whose name mountinfo writes in octal digits', () => {
  expect(parseProcMount(line('/a\\040b\\134c', 'rw,hidepid=2'), '/a b\\c')?.hidepid).toBe('invisible');
});

it.each(['', '\n', '45 43', ' - ', '45 43 0:21 / /proc', '45 43 0:21 / /proc rw - proc', 'x - proc proc rw'])(
  'knows no mount by the line %j, or one without hidepid',
  (text) => expect(parseProcMount(text, '/proc')?.hidepid ?? 'off').toBe('off'),
);

it('says that a captured tree hides nothing', () => {
  const tree = new FakeProc();
  try {
    expect(visibility(tree.root)).toEqual({
      isRestricted: false,
      listsAll: true,
      reason: '',
      hasInit: true,
      hasOwnPids: true,
    });
  } finally {
    tree.remove();
  }
});
