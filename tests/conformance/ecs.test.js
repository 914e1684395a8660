// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import ecs from '@alicloud/ecs20140526';

import { distantRegion, distantZone, instance, keys, region, soldOutZone, start, zone } from './simulator.js';

let simulator;
let client;
before(async () => {
  simulator = await start();
  client = simulator.ecs();
});
after(async () => simulator?.stop());

// request calls an operation of the SDK and returns the body of the answer.
async function request(operation, params, by = client) {
  const name = operation[0].toUpperCase() + operation.slice(1);
  const { body } = await by[operation](new ecs[`${name}Request`](params));
  return body;
}

// until polls until the probe returns something true, at most ten seconds.
async function until(what, probe) {
  for (const end = Date.now() + 10_000; Date.now() < end; await pause(50)) {
    const found = await probe();
    if (found) {
      return found;
    }
  }
  return assert.fail(`${what} did not come about`);
}

async function disk(id, regionId = region) {
  const { disks } = await request('describeDisks', { regionId, diskIds: JSON.stringify([id]) });
  return disks.disk[0];
}

async function snapshot(id, regionId = region) {
  const { snapshots } = await request('describeSnapshots', { regionId, snapshotIds: JSON.stringify([id]) });
  return snapshots.snapshot[0];
}

const accomplished = (id, regionId) => until(`snapshot ${id}`, async () => {
  const found = await snapshot(id, regionId);
  return found.status === 'accomplished' && found;
});

describe('disks and snapshots', () => {
  test('a disk is what it was made from', async () => {
    const found = await disk('d-data');
    assert.equal(found.category, 'cloud_essd');
    assert.equal(found.performanceLevel, 'PL0');
    assert.equal(found.size, 10);
    assert.equal(found.status, 'In_use');
    assert.equal(found.instanceId, instance);
    assert.equal(found.zoneId, zone);
    assert.equal(found.encrypted, false);
    assert.match(found.attachedTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(found.detachedTime, '');
    assert.deepEqual(found.tags.tag.map((t) => [t.tagKey, t.tagValue]), [['app', 'orders']]);
  });

  test('a snapshot becomes a disk', async () => {
    const { snapshotId } = await request('createSnapshot', {
      diskId: 'd-ssd', snapshotName: 'nightly', retentionDays: 7, tag: [{ key: 'backup', value: 'b1' }], clientToken: 'once',
    });
    assert.match(snapshotId, /^s-/);
    assert.equal((await request('createSnapshot', {
      diskId: 'd-ssd', snapshotName: 'nightly', retentionDays: 7, tag: [{ key: 'backup', value: 'b1' }], clientToken: 'once',
    })).snapshotId, snapshotId);
    const found = await accomplished(snapshotId);
    assert.equal(found.progress, '100%');
    assert.equal(found.available, true);
    assert.equal(found.sourceDiskId, 'd-ssd');
    assert.equal(found.sourceDiskSize, '40');
    assert.equal(found.retentionDays, 7);
    await request('modifySnapshotAttribute', { snapshotId, snapshotName: 'kept', retentionDays: 14 });
    const { snapshotName, retentionDays } = await snapshot(snapshotId);
    assert.deepEqual([snapshotName, retentionDays], ['kept', 14]);
    await assert.rejects(
      request('modifySnapshotAttribute', { snapshotId, retentionDays: 7 }),
      { code: 'InvalidOperation.DecreaseRetentionDaysUnsupported' },
    );
    const byTag = await request('describeSnapshots', { regionId: region, tag: [{ key: 'backup', value: 'b1' }] });
    assert.deepEqual(byTag.snapshots.snapshot.map((s) => s.snapshotId), [snapshotId]);

    const { diskId } = await request('createDisk', {
      regionId: region, zoneId: zone, snapshotId, diskCategory: 'cloud_essd', performanceLevel: 'PL1', size: 60,
    });
    const made = await until(`disk ${diskId}`, async () => {
      const d = await disk(diskId);
      return d.status === 'Available' && d;
    });
    assert.equal(made.size, 60);
    assert.equal(made.sourceSnapshotId, snapshotId);
    await assert.rejects(request('deleteSnapshot', { snapshotId }), { code: 'SnapshotCreatedDisk' });
    await request('deleteSnapshot', { snapshotId, force: true });
    await assert.rejects(request('deleteSnapshot', { snapshotId }), { code: 'InvalidSnapshotId.NotFound' });
    await request('deleteDisk', { diskId });
    assert.equal(await disk(diskId), undefined);
  });

  test('a snapshot is copied to another region', async () => {
    const { snapshotId } = await request('createSnapshot', { diskId: 'd-secret' });
    const copy = {
      regionId: region, snapshotId, destinationRegionId: distantRegion, destinationSnapshotName: 'copy',
      destinationSnapshotDescription: 'a copy', encrypted: true, KMSKeyId: 'key-distant',
    };
    await accomplished(snapshotId);
    const copied = (await request('copySnapshot', copy)).snapshotId;
    const found = await accomplished(copied, distantRegion);
    assert.equal(found.sourceSnapshotId, snapshotId);
    assert.equal(found.sourceRegionId, region);
    assert.equal(found.KMSKeyId, 'key-distant');
    const { diskId } = await request('createDisk', {
      regionId: distantRegion, zoneId: distantZone, snapshotId: copied, diskCategory: 'cloud_essd',
    });
    assert.equal((await disk(diskId, distantRegion)).encrypted, true);
    assert.equal(await snapshot(copied), undefined);
  });

  test('disks are cut together', async () => {
    const { snapshotGroupId } = await request('createSnapshotGroup', {
      regionId: region, diskId: ['d-data'], name: 'group', tag: [{ key: 'k', value: 'v' }],
    });
    const find = async () => {
      const answer = await request('describeSnapshotGroups', { regionId: region, snapshotGroupId: [snapshotGroupId] });
      return answer.snapshotGroups.snapshotGroup[0];
    };
    const group = await until('the group', async () => {
      const found = await find();
      return found.status === 'accomplished' && found;
    });
    assert.deepEqual(group.snapshots.snapshot.map((s) => s.sourceDiskId), ['d-data']);
    assert.deepEqual(group.tags.tag.map((t) => [t.key, t.value]), [['k', 'v']]);
    const { operationProgressSet } = await request('deleteSnapshotGroup', { regionId: region, snapshotGroupId });
    assert.deepEqual(
      operationProgressSet.operationProgress.map((p) => [p.operationStatus, p.relatedItemSet.relatedItem[0].value]),
      group.snapshots.snapshot.map((s) => ['Success', s.snapshotId]),
    );
    assert.equal(await find(), undefined);
  });

  test('lists come in pages', async () => {
    const seen = [];
    let nextToken;
    do {
      const answer = await request('describeDisks', { regionId: region, maxResults: 10, nextToken });
      seen.push(...answer.disks.disk.map((d) => d.diskId));
      nextToken = answer.nextToken;
    } while (nextToken);
    for (const id of ['d-data', 'd-ssd', 'd-secret', 'd-new']) {
      assert.ok(seen.includes(id), `${id} is missing`);
    }
    assert.ok(!seen.includes('d-foreign'));
  });

  test('tags come and go', async () => {
    const of = { regionId: region, resourceType: 'disk', resourceId: ['d-new'] };
    await request('tagResources', { ...of, tag: [{ key: 'a', value: '1' }, { key: 'b', value: '2' }] });
    await request('untagResources', { ...of, tagKey: ['a'] });
    const { tagResources } = await request('listTagResources', of);
    assert.deepEqual(tagResources.tagResource.map((t) => [t.resourceId, t.tagKey, t.tagValue]), [['d-new', 'b', '2']]);
  });
});

describe('what is for sale', () => {
  test('zones name the categories that they have', async () => {
    const { zones } = await request('describeZones', { regionId: region });
    const sold = Object.fromEntries(zones.zone.map((z) => [z.zoneId, z.availableDiskCategories.diskCategories]));
    assert.ok(sold[zone].includes('cloud_essd'));
    assert.ok(!sold[soldOutZone].includes('cloud_essd'));
  });

  test('a category that is sold out is said to be', async () => {
    const { availableZones } = await request('describeAvailableResource', {
      regionId: region, destinationResource: 'DataDisk', dataDiskCategory: 'cloud_essd',
    });
    assert.deepEqual(availableZones.availableZone.map((z) => [
      z.zoneId, z.availableResources.availableResource[0].supportedResources.supportedResource[0].statusCategory,
    ]), [[zone, 'WithStock'], [soldOutZone, 'WithoutStock']]);
    await assert.rejects(
      request('createDisk', { regionId: region, zoneId: soldOutZone, diskCategory: 'cloud_essd', size: 20 }),
      { code: 'OperationDenied.NoStock' },
    );
  });
});

describe('what is refused', () => {
  for (const [name, operation, params, expected] of [
    ['a disk that was never attached', 'createSnapshot', { diskId: 'd-new' }, { code: 'IncorrectDiskStatus.NeverAttached', statusCode: 403 }],
    ['a disk of another account', 'createSnapshot', { diskId: 'd-foreign' }, { code: 'InvalidDiskId.NotFound', statusCode: 404 }],
    ['a name with a slash', 'createSnapshot', { diskId: 'd-data', snapshotName: 'a/b' }, { code: 'InvalidSnapshotName.Malformed' }],
    ['a disk below its minimum', 'createDisk', { regionId: region, zoneId: zone, diskCategory: 'cloud_ssd', size: 10 }, { code: 'InvalidDataDiskSize.ValueNotSupported' }],
    ['a level that is too high', 'createDisk', { regionId: region, zoneId: zone, diskCategory: 'cloud_essd', performanceLevel: 'PL2', size: 100 }, { code: 'OperationDenied.PerformanceLevelNotMatch' }],
    ['a group with an SSD', 'createSnapshotGroup', { regionId: region, diskId: ['d-data', 'd-ssd'] }, { code: 'DiskCategory.OperationNotSupported' }],
  ]) {
    test(name, async () => {
      await assert.rejects(request(operation, params), expected);
    });
  }

  test('a user without the permission is told which', async () => {
    await assert.rejects(
      request('createSnapshot', { diskId: 'd-data' }, simulator.ecs(keys.reader)),
      (error) => error.code === 'Forbidden.RAM' && error.accessDeniedDetail.AuthAction === 'ecs:CreateSnapshot',
    );
  });

  test('too many calls in a minute', async () => {
    const call = () => request('describeInstances', { regionId: region });
    // A minute may end between the calls, but not more than one.
    const calls = [];
    for (let i = 0; i < 6; i++) {
      calls.push(await call().then(() => 'served', (error) => error.code));
    }
    assert.ok(calls.includes('Throttling.User'), calls.join());
    assert.ok(calls.filter((c) => c === 'served').length <= 4, calls.join());
  });
});

for (const method of ['GET', 'POST']) {
  test(`the classic signature by ${method}`, async () => {
    const answer = await simulator.ecsByPop().request(
      'DescribeDisks', { RegionId: region, DiskIds: '["d-data"]', 'Tag.1.Key': 'app' }, { method },
    );
    assert.deepEqual(answer.Disks.Disk.map((d) => d.DiskId), ['d-data']);
    await assert.rejects(
      simulator.ecsByPop().request('DeleteSnapshot', { SnapshotId: 's-none' }, { method }), { code: 'InvalidSnapshotId.NotFound' },
    );
  });
}
