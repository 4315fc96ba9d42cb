// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of kernel pages in user mappings, see <linux/usermap.h> and
 * Documentation/mm/usermap.rst.
 *
 * Each test runs in a kernel thread that has a user mm of its own.  A test maps
 * a block of pages through a file whose f_op->mmap does what the test asks for,
 * looks at page tables, counters and pages, and leaves the rest to
 * usermap_test_exit(): that unmaps everything, and then wants each page back in
 * the state in which it was before.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/debug_locks.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/page_table_check.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/usermap.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>
#include <asm/tlb.h>
#include "../internal.h"

#define NR_PAGES	8
#define BLOCK_ORDER	ilog2(NR_PAGES)

/* A few bytes in the middle of a page, aligned to the words that fill it. */
#define SOME_OFFSET	(PAGE_SIZE / 2 + 16)
#define SOME_VALUE	0x0badcafe

/* How a block of pages was allocated. */
enum block_kind {
	SINGLE,
	COMPOUND,
	SPLIT,
	HIGH_ORDER,
	EXACT,
	VMALLOC,
};

/* What the pages are handed over as. */
enum form {
	ARRAY,
	CONTIG,
	KADDRS,
	NR_FORMS,
};

struct page_state {
	int refs;
	unsigned int type;
	int mapcount;
};

/**
 * struct block - NR_PAGES pages of one kind
 * @list: in usermap_test.blocks
 * @kind: how the pages were allocated
 * @typed: the pages have the type
 * @vaddr: start of an EXACT or VMALLOC block
 * @fill: word that fills the first page, @fill + 1 the second, and so on
 * @page: the pages, in order
 * @state: what the pages looked like before they were mapped
 */
struct block {
	struct list_head list;
	enum block_kind kind;
	bool typed;
	void *vaddr;
	u32 fill;
	struct page *page[NR_PAGES];
	struct page_state state[NR_PAGES];
};

struct usermap_test {
	struct mm_struct *mm;
	struct list_head blocks;
	u32 next_fill;
	u32 *buf;
};

static struct usermap_test *usermap_test(struct kunit *test)
{
	return test->priv;
}

static struct mm_struct *test_mm(struct kunit *test)
{
	return usermap_test(test)->mm;
}

/*
 * Warnings.  Where WARN_ON_ONCE() is a trap, KUnit counts it before the once
 * logic; elsewhere (um), and in VM_WARN_ON_ONCE_PAGE() and its kin, the first
 * hit uses the warning up.  Arm them again, so that the number of warnings
 * depends neither on the order of the tests nor on how often they run.
 */
static void rearm_warnings(void)
{
	memset(__start_once, 0, __end_once - __start_once);
}

static struct kunit_suppressed_warning *expect_warnings(struct kunit *test)
{
	rearm_warnings();
	return kunit_start_suppress_warning(test);
}

static void check_warnings(struct kunit *test,
			   struct kunit_suppressed_warning *w, int expected)
{
	int count = kunit_suppressed_warning_count(w);

	kunit_end_suppress_warning(test, w);
	rearm_warnings();
	if (!IS_ENABLED(CONFIG_BUG))
		expected = 0;
	KUNIT_EXPECT_EQ_MSG(test, count, expected, "number of warnings");
}

/* Pages and blocks of pages. */

static void fill_page(struct page *page, u32 word)
{
	u32 *kaddr = kmap_local_page(page);

	memset32(kaddr, word, PAGE_SIZE / sizeof(word));
	kunmap_local(kaddr);
	flush_dcache_page(page);
}

static u32 page_word(struct page *page, unsigned long offset)
{
	u32 *kaddr, word;

	flush_dcache_page(page);
	kaddr = kmap_local_page(page);
	word = kaddr[offset / sizeof(word)];
	kunmap_local(kaddr);
	return word;
}

/* Every word is @word, but the one at SOME_OFFSET is @some. */
static bool words_are(const u32 *words, u32 word, u32 some)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(word); i++) {
		u32 want = i == SOME_OFFSET / sizeof(word) ? some : word;

		if (words[i] != want)
			return false;
	}
	return true;
}

static bool page_is_filled(struct page *page, u32 word)
{
	u32 *kaddr;
	bool ret;

	flush_dcache_page(page);
	kaddr = kmap_local_page(page);
	ret = words_are(kaddr, word, word);
	kunmap_local(kaddr);
	return ret;
}

static void read_state(struct page *page, struct page_state *state)
{
	struct folio *folio = page_folio(page);

	state->refs = page_ref_count(page);
	state->type = READ_ONCE(page->page_type);
	state->mapcount = folio_test_large(folio) ?
			  folio_large_mapcount(folio) : 0;
}

/* Neither a mapping nor its end has touched the pages of @block. */
static void expect_same_state(struct kunit *test, struct block *block)
{
	struct page_state now;
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		read_state(block->page[i], &now);
		KUNIT_EXPECT_EQ_MSG(test, now.refs, block->state[i].refs,
				    "refcount of page %d", i);
		KUNIT_EXPECT_EQ_MSG(test, now.type, block->state[i].type,
				    "page_type of page %d", i);
		KUNIT_EXPECT_EQ_MSG(test, now.mapcount,
				    block->state[i].mapcount,
				    "mapcount of page %d", i);
	}
}

static bool block_is_contig(const struct block *block)
{
	return block->kind != SINGLE && block->kind != VMALLOC;
}

static void block_set_type(struct block *block)
{
	int i;

	block->typed = true;
	if (block->kind == VMALLOC)
		usermap_set_vmalloc(block->vaddr);
	else if (block_is_contig(block))
		usermap_set_pages(block->page[0], NR_PAGES);
	else
		for (i = 0; i < NR_PAGES; i++)
			usermap_set_pages(block->page[i], 1);

	for (i = 0; i < NR_PAGES; i++)
		read_state(block->page[i], &block->state[i]);
}

static void block_clear_type(struct block *block)
{
	int i;

	block->typed = false;
	if (block->kind == VMALLOC)
		usermap_clear_vmalloc(block->vaddr);
	else if (block_is_contig(block))
		usermap_clear_pages(block->page[0], NR_PAGES);
	else
		for (i = 0; i < NR_PAGES; i++)
			usermap_clear_pages(block->page[i], 1);
}

static bool block_alloc_pages(struct block *block)
{
	struct page *page = NULL;
	int i;

	switch (block->kind) {
	case SINGLE:
		for (i = 0; i < NR_PAGES; i++) {
			block->page[i] = alloc_page(GFP_HIGHUSER);
			if (!block->page[i])
				break;
		}
		if (i == NR_PAGES)
			return true;
		while (i--)
			__free_page(block->page[i]);
		return false;
	case VMALLOC:
		block->vaddr = vmalloc_user(NR_PAGES * PAGE_SIZE);
		for (i = 0; block->vaddr && i < NR_PAGES; i++)
			block->page[i] = vmalloc_to_page(block->vaddr +
							 i * PAGE_SIZE);
		return block->vaddr;
	case EXACT:
		block->vaddr = alloc_pages_exact(NR_PAGES * PAGE_SIZE,
						 GFP_KERNEL);
		if (block->vaddr)
			page = virt_to_page(block->vaddr);
		break;
	case COMPOUND:
		page = alloc_pages(GFP_KERNEL | __GFP_COMP, BLOCK_ORDER);
		break;
	case SPLIT:
	case HIGH_ORDER:
		page = alloc_pages(GFP_KERNEL, BLOCK_ORDER);
		if (page && block->kind == SPLIT)
			split_page(page, BLOCK_ORDER);
		break;
	}
	for (i = 0; page && i < NR_PAGES; i++)
		block->page[i] = page + i;
	return page;
}

static void block_free_pages(struct block *block)
{
	int i;

	switch (block->kind) {
	case SINGLE:
	case SPLIT:
		for (i = 0; i < NR_PAGES; i++)
			__free_page(block->page[i]);
		break;
	case COMPOUND:
	case HIGH_ORDER:
		__free_pages(block->page[0], BLOCK_ORDER);
		break;
	case EXACT:
		free_pages_exact(block->vaddr, NR_PAGES * PAGE_SIZE);
		break;
	case VMALLOC:
		vfree(block->vaddr);
		break;
	}
}

/* A block without the type; usermap_test_exit() frees it. */
static struct block *alloc_untyped(struct kunit *test, enum block_kind kind)
{
	struct usermap_test *ut = usermap_test(test);
	struct block *block;
	int i;

	block = kunit_kzalloc(test, sizeof(*block), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, block);
	block->kind = kind;
	KUNIT_ASSERT_TRUE(test, block_alloc_pages(block));

	block->fill = ut->next_fill;
	ut->next_fill += NR_PAGES;
	for (i = 0; i < NR_PAGES; i++) {
		fill_page(block->page[i], block->fill + i);
		read_state(block->page[i], &block->state[i]);
	}
	list_add(&block->list, &ut->blocks);
	return block;
}

static struct block *alloc_block(struct kunit *test, enum block_kind kind)
{
	struct block *block = alloc_untyped(test, kind);

	block_set_type(block);
	return block;
}

/* Two blocks of @kind, the second right behind the first; skip if none come. */
static void alloc_neighbours(struct kunit *test, enum block_kind kind,
			     struct block **first, struct block **second)
{
	struct usermap_test *ut = usermap_test(test);
	struct block *new, *old;
	int i;

	for (i = 0; i < 256; i++) {
		new = alloc_untyped(test, kind);
		list_for_each_entry(old, &ut->blocks, list) {
			long distance = page_to_pfn(new->page[0]) -
					page_to_pfn(old->page[0]);

			if (old->kind != kind || abs(distance) != NR_PAGES)
				continue;
			*first = distance > 0 ? old : new;
			*second = distance > 0 ? new : old;
			return;
		}
	}
	kunit_skip(test, "no two adjacent allocations");
}

/* User address spaces. */

static struct mm_struct *mm_create(void)
{
	struct mm_struct *mm = mm_alloc();

	if (mm) {
		mm->task_size = TASK_SIZE;
		arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	}
	return mm;
}

/* Change this thread's mm (NULL: none); no assertion until it is back. */
static void mm_switch(struct mm_struct *to)
{
	if (current->mm)
		kthread_unuse_mm(current->mm);
	if (to)
		kthread_use_mm(to);
}

/* Only @anon pages of @mm are counted: a usermap page is in no RSS counter. */
static void expect_rss(struct kunit *test, struct mm_struct *mm,
		       unsigned long anon)
{
	KUNIT_EXPECT_EQ(test, get_mm_counter_sum(mm, MM_FILEPAGES), 0);
	KUNIT_EXPECT_EQ(test, get_mm_counter_sum(mm, MM_SHMEMPAGES), 0);
	KUNIT_EXPECT_EQ(test, get_mm_counter_sum(mm, MM_ANONPAGES), anon);
}

/* Exit of an mm that is nobody's any more. */
static void mm_destroy(struct kunit *test, struct mm_struct *mm)
{
	mmgrab(mm);
	mmput(mm);
	expect_rss(test, mm, 0);
	mmdrop(mm);
}

/* The mapped blocks and the test's mm look as if nothing was mapped. */
static void expect_uncounted(struct kunit *test, unsigned long anon)
{
	struct block *block;

	list_for_each_entry(block, &usermap_test(test)->blocks, list)
		expect_same_state(test, block);
	expect_rss(test, test_mm(test), anon);
}

struct child {
	void (*fn)(struct child *child);
	unsigned long addr;
	u32 word[2];
	int err;
};

static int child_thread(void *data)
{
	struct child *child = data;

	child->fn(child);
	do_exit(0);
}

/* fork(): run child->fn in a process that has a copy of this thread's mm. */
static void fork_and_wait(struct kunit *test, struct child *child)
{
	struct kernel_clone_args args = {
		.flags		= CLONE_UNTRACED,
		.exit_signal	= SIGCHLD,
		.fn		= child_thread,
		.fn_arg		= child,
	};
	int status;
	pid_t pid;

	kernel_sigaction(SIGCHLD, SIG_DFL);
	pid = kernel_clone(&args);
	if (pid > 0)
		kernel_wait(pid, &status);
	kernel_sigaction(SIGCHLD, SIG_IGN);
	KUNIT_ASSERT_GT(test, pid, 0);
}

/* Page tables. */

/* The entry for @addr in *@pte; false if there is no page table or no entry. */
static bool get_pte(struct mm_struct *mm, unsigned long addr, pte_t *pte)
{
	pmd_t *pmd = mm_find_pmd(mm, addr);
	spinlock_t *ptl; /* of the page table */
	pte_t *ptep;

	if (!pmd)
		return false;
	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return false;
	*pte = ptep_get(ptep);
	pte_unmap_unlock(ptep, ptl);
	return !pte_none(*pte);
}

static unsigned long count_ptes(struct mm_struct *mm, unsigned long addr,
				unsigned long nr_pages)
{
	unsigned long nr = 0;
	pte_t pte;

	for (; nr_pages--; addr += PAGE_SIZE)
		nr += get_pte(mm, addr, &pte);
	return nr;
}

static struct page *normal_page(struct mm_struct *mm, unsigned long addr)
{
	struct page *page = NULL;
	pte_t pte;

	mmap_read_lock(mm);
	if (get_pte(mm, addr, &pte))
		page = vm_normal_page(vma_lookup(mm, addr), addr, pte);
	mmap_read_unlock(mm);
	return page;
}

static bool is_writable(struct mm_struct *mm, unsigned long addr)
{
	pte_t pte;

	return get_pte(mm, addr, &pte) && pte_write(pte);
}

/* @addr maps @page, as a special mapping that is no folio's. */
static void expect_mapped(struct kunit *test, struct mm_struct *mm,
			  unsigned long addr, struct page *page)
{
	pte_t pte;

	if (!get_pte(mm, addr, &pte)) {
		KUNIT_FAIL(test, "not mapped");
		return;
	}
	KUNIT_EXPECT_TRUE(test, pte_present(pte));
	KUNIT_EXPECT_EQ(test, pte_pfn(pte), page_to_pfn(page));
	if (IS_ENABLED(CONFIG_ARCH_HAS_PTE_SPECIAL))
		KUNIT_EXPECT_TRUE(test, pte_special(pte));
	KUNIT_EXPECT_NULL(test, normal_page(mm, addr));
}

/* Mappings. */

/* The protection that f_op->mmap passes on. */
enum map_prot {
	VMA_PROT,	/* vma->vm_page_prot */
	READ_ONLY,	/* the same without write permission */
	WRITABLE,	/* that of a shared writable mapping */
	WRITABLE_VMA,	/* the same, and vma->vm_page_prot agrees */
	UNCACHED,	/* vma->vm_page_prot, with another memory attribute */
};

/**
 * struct map - what f_op->mmap and the VM operations of one mapping do
 * @form: which function to call
 * @pages: pages to map, or none; with CONTIG only the first counts
 * @nr: number of @pages
 * @offset: where in the VMA to map them, in pages
 * @prot: the protection to map them with
 * @set_flags: VM flags to set before
 * @clear_flags: VM flags to clear before
 * @vm_ops: VM operations, if any
 * @first_only: pfn_mkwrite accepts no page but the first
 * @fault_page: page that ->fault returns
 * @fault_ret: what ->fault returns besides
 * @addr: out: address of the mapping
 * @ret: out: what the call returned
 * @nr_ptes: out: number of PTEs in the VMA after the call
 * @flags: out: VM flags before the call
 * @nr_mkwrites: out: number of calls of pfn_mkwrite
 * @mkwrite_pgoff: out: argument of the last one
 */
struct map {
	enum form form;
	struct page **pages;
	unsigned long nr;
	unsigned long offset;
	enum map_prot prot;
	vm_flags_t set_flags;
	vm_flags_t clear_flags;
	const struct vm_operations_struct *vm_ops;
	bool first_only;
	struct page *fault_page;
	vm_fault_t fault_ret;

	unsigned long addr;
	int ret;
	unsigned long nr_ptes;
	vm_flags_t flags;
	unsigned int nr_mkwrites;
	pgoff_t mkwrite_pgoff;
};

static vm_fault_t map_pfn_mkwrite(struct vm_fault *vmf)
{
	struct map *map = vmf->vma->vm_private_data;

	map->nr_mkwrites++;
	map->mkwrite_pgoff = vmf->pgoff;
	return map->first_only && vmf->pgoff ? VM_FAULT_SIGBUS : 0;
}

static const struct vm_operations_struct mkwrite_vm_ops = {
	.pfn_mkwrite = map_pfn_mkwrite,
};

/* Must not be called: it is for folios. */
static vm_fault_t map_page_mkwrite(struct vm_fault *vmf)
{
	struct map *map = vmf->vma->vm_private_data;

	map->nr_mkwrites++;
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct page_mkwrite_vm_ops = {
	.page_mkwrite = map_page_mkwrite,
};

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct map *map = vmf->vma->vm_private_data;

	if (map->fault_ret & VM_FAULT_LOCKED)
		lock_page(map->fault_page);
	get_page(map->fault_page);
	vmf->page = map->fault_page;
	return map->fault_ret;
}

static const struct vm_operations_struct fault_vm_ops = {
	.fault = map_fault,
};

static pgprot_t map_prot(struct vm_area_struct *vma, enum map_prot prot)
{
	switch (prot) {
	case READ_ONLY:
		return vm_get_page_prot(vma->vm_flags & ~VM_WRITE);
	case WRITABLE:
		return vm_get_page_prot(VM_READ | VM_WRITE | VM_SHARED);
	case WRITABLE_VMA:
		vma->vm_page_prot = vm_get_page_prot(VM_READ | VM_WRITE |
						     VM_SHARED);
		return vma->vm_page_prot;
	case UNCACHED:
		return pgprot_noncached(vma->vm_page_prot);
	default:
		return vma->vm_page_prot;
	}
}

static int vma_insert(struct vm_area_struct *vma, unsigned long addr,
		      enum form form, struct page **pages, unsigned long nr,
		      enum map_prot prot)
{
	void *kaddrs[NR_PAGES];

	switch (form) {
	case CONTIG:
		return vm_insert_contig_pages_prot(vma, addr, pages[0], nr,
						   map_prot(vma, prot));
	case KADDRS:
		for (int i = 0; i < min(nr, NR_PAGES); i++)
			kaddrs[i] = page_address(pages[i]);
		return vm_insert_kaddrs_prot(vma, addr, kaddrs, nr,
					     map_prot(vma, prot));
	default:
		return vm_insert_pages_prot(vma, addr, pages, nr,
					    map_prot(vma, prot));
	}
}

static int map_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct map *map = file->private_data;

	vma->vm_private_data = map;
	/* NULL would make it anonymous memory. */
	if (map->vm_ops)
		vma->vm_ops = map->vm_ops;
	vm_flags_mod(vma, map->set_flags, map->clear_flags);
	map->flags = vma->vm_flags;
	if (!map->pages)
		return 0;

	map->ret = vma_insert(vma, vma->vm_start + map->offset * PAGE_SIZE,
			      map->form, map->pages, map->nr, map->prot);
	map->nr_ptes = count_ptes(vma->vm_mm, vma->vm_start, vma_pages(vma));
	return map->ret;
}

static const struct file_operations map_fops = {
	.owner	= THIS_MODULE,
	.mmap	= map_mmap,
};

/* mmap() in this thread's mm; sets map->addr, returns 0 or -errno. */
static int try_map(struct map *map, unsigned long addr, unsigned long nr_pages,
		   unsigned long prot, unsigned long flags)
{
	struct file *file;

	file = anon_inode_getfile("[usermap_kunit]", &map_fops, map, O_RDWR);
	if (IS_ERR(file))
		return PTR_ERR(file);
	map->addr = vm_mmap(file, addr, nr_pages * PAGE_SIZE, prot, flags, 0);
	fput(file);
	return IS_ERR_VALUE(map->addr) ? (int)map->addr : 0;
}

static void do_map(struct kunit *test, struct map *map, unsigned long addr,
		   unsigned long nr_pages, unsigned long prot,
		   unsigned long flags)
{
	KUNIT_ASSERT_EQ(test, try_map(map, addr, nr_pages, prot, flags), 0);
}

static struct map *alloc_map(struct kunit *test)
{
	struct map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	return map;
}

static struct map *block_to_map(struct kunit *test, struct block *block)
{
	struct map *map = alloc_map(test);

	map->pages = block->page;
	map->nr = NR_PAGES;
	return map;
}

/* Map all of @block. */
static struct map *map_block(struct kunit *test, struct block *block,
			     unsigned long prot, unsigned long flags)
{
	struct map *map = block_to_map(test, block);

	do_map(test, map, 0, NR_PAGES, prot, flags);
	return map;
}

static struct map *map_shared(struct kunit *test, struct block *block)
{
	return map_block(test, block, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static struct map *map_private(struct kunit *test, struct block *block)
{
	return map_block(test, block, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

/* Address of page @i of a mapping. */
static unsigned long addr_of(const struct map *map, unsigned long i)
{
	return map->addr + i * PAGE_SIZE;
}

/* The call under test in a mapping that is there already. */
static int insert(struct map *map, unsigned long addr, enum form form,
		  struct page **pages, unsigned long nr, enum map_prot prot)
{
	struct mm_struct *mm = current->mm;
	int ret;

	mmap_write_lock(mm);
	ret = vma_insert(vma_lookup(mm, map->addr), addr, form, pages, nr,
			 prot);
	mmap_write_unlock(mm);
	return ret;
}

/* A PMD border with @nr free pages on each side. */
static unsigned long find_pmd_border(struct kunit *test, unsigned long nr)
{
	unsigned long len = nr * PAGE_SIZE, size = PMD_SIZE + 2 * len, addr;

	addr = vm_mmap(NULL, 0, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, size), 0);
	return ALIGN(addr + len, PMD_SIZE);
}

/* User access. */

static int user_read(unsigned long addr, u32 *word)
{
	return copy_from_user(word, (void __user *)addr, sizeof(*word)) ?
	       -EFAULT : 0;
}

static int user_write(unsigned long addr, u32 word)
{
	return copy_to_user((void __user *)addr, &word, sizeof(word)) ?
	       -EFAULT : 0;
}

/* The user page at @addr is full of @word, apart from @some at SOME_OFFSET. */
static void expect_user_page(struct kunit *test, unsigned long addr, u32 word,
			     u32 some)
{
	u32 *buf = usermap_test(test)->buf;

	KUNIT_EXPECT_EQ(test, copy_from_user(buf, (void __user *)addr,
					     PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE_MSG(test, words_are(buf, word, some),
			      "content of the user page");
}

/* Page @i of @map shows, and is, page @j of @block. */
static void expect_maps_block(struct kunit *test, struct map *map, int i,
			      struct block *block, int j)
{
	expect_mapped(test, current->mm, addr_of(map, i), block->page[j]);
	expect_user_page(test, addr_of(map, i), block->fill + j,
			 block->fill + j);
}

/* Page @i of a private @map is a copy of page @j of @block, but for @some. */
static void expect_copy(struct kunit *test, struct map *map, int i,
			struct block *block, int j, u32 some)
{
	struct page *copy = normal_page(current->mm, addr_of(map, i));

	KUNIT_EXPECT_NOT_NULL(test, copy);
	if (copy) {
		KUNIT_EXPECT_PTR_NE(test, copy, block->page[j]);
		KUNIT_EXPECT_TRUE(test, folio_test_anon(page_folio(copy)));
	}
	expect_user_page(test, addr_of(map, i), block->fill + j, some);
	KUNIT_EXPECT_TRUE(test, page_is_filled(block->page[j],
					       block->fill + j));
}

/* mprotect() of a mapping, or of a part of one. */
static int do_mprotect(struct mm_struct *mm, unsigned long start,
		       unsigned long end, vm_flags_t set, vm_flags_t clear)
{
	struct vm_area_struct *vma, *prev;
	struct mmu_gather tlb;
	int ret = -ENOMEM;

	mmap_write_lock(mm);
	{
		VMA_ITERATOR(vmi, mm, start);

		vma = vma_find(&vmi, end);
		prev = vma_prev(&vmi);
		if (start > vma->vm_start)
			prev = vma;
		tlb_gather_mmu(&tlb, mm);
		for_each_vma_range(vmi, vma, end) {
			ret = mprotect_fixup(&vmi, &tlb, vma, &prev, start, end,
					     (vma->vm_flags & ~clear) | set);
			if (ret)
				break;
		}
		tlb_finish_mmu(&tlb);
	}
	mmap_write_unlock(mm);
	return ret;
}

/* A page fault as GUP makes it, for its exact result. */
static vm_fault_t do_fault(struct mm_struct *mm, unsigned long addr,
			   unsigned int flags)
{
	struct vm_area_struct *vma;
	vm_fault_t ret = VM_FAULT_SIGSEGV;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma)
		ret = handle_mm_fault(vma, addr, flags, NULL);
	mmap_read_unlock(mm);
	return ret;
}

static int usermap_test_init(struct kunit *test)
{
	struct usermap_test *ut;

	ut = kunit_kzalloc(test, sizeof(*ut), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ut);
	INIT_LIST_HEAD(&ut->blocks);
	ut->next_fill = 0x5a000000;
	ut->buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ut->buf);
	test->priv = ut;

	ut->mm = mm_create();
	KUNIT_ASSERT_NOT_NULL(test, ut->mm);
	/*
	 * What kunit_attach_mm() does, but keep the mm: the test's thread says
	 * that it is gone before its exit takes the mappings down, so
	 * usermap_test_exit() must do that before it frees the pages.
	 */
	mmget(ut->mm);
	kthread_use_mm(ut->mm);
	return 0;
}

static void usermap_test_exit(struct kunit *test)
{
	struct usermap_test *ut = test->priv;
	struct block *block;

	if (!ut || !ut->mm)
		return;

	kthread_use_mm(ut->mm);
	KUNIT_EXPECT_EQ(test, vm_munmap(0, ut->mm->task_size), 0);
	kthread_unuse_mm(ut->mm);
	expect_uncounted(test, 0);

	list_for_each_entry(block, &ut->blocks, list) {
		if (block->typed)
			block_clear_type(block);
		block_free_pages(block);
	}

	/* An exit gives back the user of kthread_use_mm(), not its mmgrab(). */
	mmdrop(ut->mm);
	mmput(ut->mm);
}

struct kind_param {
	const char *desc;
	enum block_kind kind;
};

static const struct kind_param all_kinds[] = {
	{ "order-0 pages", SINGLE },
	{ "compound page", COMPOUND },
	{ "split block", SPLIT },
	{ "non-compound block", HIGH_ORDER },
	{ "alloc_pages_exact()", EXACT },
	{ "vmalloc_user()", VMALLOC },
};

KUNIT_ARRAY_PARAM_DESC(all_kinds, all_kinds, desc);

static const struct kind_param contig_kinds[] = {
	{ "compound page", COMPOUND },
	{ "split block", SPLIT },
	{ "non-compound block", HIGH_ORDER },
	{ "alloc_pages_exact()", EXACT },
};

KUNIT_ARRAY_PARAM_DESC(contig_kinds, contig_kinds, desc);

static enum block_kind param_kind(struct kunit *test)
{
	const struct kind_param *param = test->param_value;

	return param->kind;
}

/* Suite usermap_type: who has the type. */

static void expect_typed(struct kunit *test, struct block *block)
{
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		struct page *page = block->page[i];
		bool tail = block->kind == COMPOUND && i;

		KUNIT_EXPECT_TRUE(test, page_is_usermap(page));
		KUNIT_EXPECT_TRUE(test, folio_test_usermap(page_folio(page)));
		KUNIT_EXPECT_EQ(test, !!PageUsermap(page), !tail);
	}
}

static void type_set_and_clear(struct kunit *test)
{
	struct block *block = alloc_untyped(test, param_kind(test));
	struct page_state before[NR_PAGES];
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		before[i] = block->state[i];
		KUNIT_EXPECT_FALSE(test, page_is_usermap(block->page[i]));
	}

	block_set_type(block);
	expect_typed(test, block);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, page_ref_count(block->page[i]),
				before[i].refs);

	/* Not even a stale type of a tail may be left behind. */
	block_clear_type(block);
	memcpy(block->state, before, sizeof(before));
	expect_same_state(test, block);
	for (i = 0; i < NR_PAGES; i++) {
		KUNIT_EXPECT_FALSE(test, PageUsermap(block->page[i]));
		KUNIT_EXPECT_FALSE(test, page_is_usermap(block->page[i]));
	}
}

static void type_set_twice(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));

	block_set_type(block);
	expect_typed(test, block);
}

static void type_is_set_in_range_only(struct kunit *test)
{
	struct block *block = alloc_untyped(test, SPLIT);
	int i;

	usermap_set_pages(block->page[2], 3);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, page_is_usermap(block->page[i]),
				i >= 2 && i < 5);

	usermap_clear_pages(block->page[3], 1);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, page_is_usermap(block->page[i]),
				i == 2 || i == 4);

	usermap_clear_pages(block->page[2], 1);
	usermap_clear_pages(block->page[4], 1);
}

static void type_of_two_compound_pages(struct kunit *test)
{
	struct block *first, *second;

	alloc_neighbours(test, COMPOUND, &first, &second);
	usermap_set_pages(first->page[0], 2 * NR_PAGES);
	expect_typed(test, first);
	expect_typed(test, second);

	usermap_clear_pages(first->page[0], 2 * NR_PAGES);
	KUNIT_EXPECT_FALSE(test, PageUsermap(first->page[0]));
	KUNIT_EXPECT_FALSE(test, PageUsermap(second->page[0]));
}

static void type_of_other_pages(struct kunit *test)
{
	void *slab = kunit_kmalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, slab);
	KUNIT_EXPECT_FALSE(test, page_is_usermap(virt_to_page(slab)));
	KUNIT_EXPECT_FALSE(test, page_is_usermap(ZERO_PAGE(0)));
}

static struct kunit_case usermap_type_cases[] = {
	KUNIT_CASE_PARAM(type_set_and_clear, all_kinds_gen_params),
	KUNIT_CASE_PARAM(type_set_twice, all_kinds_gen_params),
	KUNIT_CASE(type_is_set_in_range_only),
	KUNIT_CASE(type_of_two_compound_pages),
	KUNIT_CASE(type_of_other_pages),
	{}
};

static struct kunit_suite usermap_type_suite = {
	.name = "usermap_type",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_type_cases,
};

/* Suite usermap_map: what a mapping does, and what it leaves alone. */

static void check_mapping(struct kunit *test, struct block *block,
			  enum form form)
{
	struct map *map = block_to_map(test, block);
	u32 word;
	int i;

	map->form = form;
	/* In two page tables. */
	do_map(test, map, find_pmd_border(test, NR_PAGES) - 3 * PAGE_SIZE,
	       NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED);
	for (i = 0; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, block, i);
	expect_uncounted(test, 0);

	/* Both ways: from user space to the page, and back. */
	for (i = 0; i < NR_PAGES; i++) {
		unsigned long addr = addr_of(map, i) + SOME_OFFSET;

		KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), 0);
		KUNIT_EXPECT_EQ(test, page_word(block->page[i], SOME_OFFSET),
				SOME_VALUE);
		fill_page(block->page[i], block->fill + i);
		KUNIT_EXPECT_EQ(test, user_read(addr, &word), 0);
		KUNIT_EXPECT_EQ(test, word, block->fill + i);
	}
	expect_uncounted(test, 0);

	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr, NR_PAGES),
			0);
	expect_uncounted(test, 0);
}

static void map_array(struct kunit *test)
{
	check_mapping(test, alloc_block(test, param_kind(test)), ARRAY);
}

static void map_contig(struct kunit *test)
{
	check_mapping(test, alloc_block(test, param_kind(test)), CONTIG);
}

static void map_kaddrs(struct kunit *test)
{
	check_mapping(test, alloc_block(test, param_kind(test)), KADDRS);
}

static void map_known_order(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);

	page_usermap(block->page[0])->order = BLOCK_ORDER;
	check_mapping(test, block, CONTIG);
}

/* Pages 3 to 5, which are tails if the block is a compound page. */
static void map_part_of_block(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = alloc_map(test);
	int i;

	map->form = CONTIG;
	map->pages = &block->page[3];
	map->nr = 3;
	do_map(test, map, 0, 3, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < 3; i++)
		expect_maps_block(test, map, i, block, 3 + i);
	expect_uncounted(test, 0);
}

/* The call under test, for a vmalloc area, in a mapping that is there. */
static int insert_vmalloc(struct map *map, unsigned long addr,
			  const void *kaddr, unsigned long pgoff,
			  unsigned long nr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret;

	mmap_write_lock(mm);
	vma = vma_lookup(mm, map->addr);
	ret = vm_insert_vmalloc_prot(vma, addr, kaddr, pgoff, nr,
				     vma->vm_page_prot);
	mmap_write_unlock(mm);
	return ret;
}

static void map_vmalloc(struct kunit *test)
{
	struct block *block = alloc_block(test, VMALLOC);
	struct map *map = alloc_map(test);
	int i;

	do_map(test, map, 0, 2 * NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, insert_vmalloc(map, map->addr, block->vaddr, 0,
					     NR_PAGES), 0);
	/* And some of them once more, up to the last. */
	KUNIT_EXPECT_EQ(test, insert_vmalloc(map, addr_of(map, NR_PAGES),
					     block->vaddr, 3, NR_PAGES - 3), 0);
	for (i = 0; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, block, i);
	for (i = 3; i < NR_PAGES; i++)
		expect_maps_block(test, map, NR_PAGES + i - 3, block, i);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
					 2 * NR_PAGES), 2 * NR_PAGES - 3);
	expect_uncounted(test, 0);
}

static void map_array_in_any_order(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct page *pages[] = {
		block->page[5], block->page[1], block->page[1], block->page[0],
	};
	struct map *map = alloc_map(test);

	map->pages = pages;
	map->nr = ARRAY_SIZE(pages);
	do_map(test, map, 0, ARRAY_SIZE(pages), PROT_READ | PROT_WRITE,
	       MAP_SHARED);
	expect_maps_block(test, map, 0, block, 5);
	expect_maps_block(test, map, 1, block, 1);
	expect_maps_block(test, map, 2, block, 1);
	expect_maps_block(test, map, 3, block, 0);
	expect_uncounted(test, 0);
}

static void map_contig_over_two_blocks(struct kunit *test)
{
	struct block *first, *second;
	struct map *map = alloc_map(test);
	int i;

	alloc_neighbours(test, param_kind(test), &first, &second);
	block_set_type(first);
	block_set_type(second);

	map->form = CONTIG;
	map->pages = &first->page[2];
	map->nr = NR_PAGES;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < NR_PAGES - 2; i++)
		expect_maps_block(test, map, i, first, 2 + i);
	for (; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, second, i + 2 - NR_PAGES);
	expect_uncounted(test, 0);
}

static void map_part_of_vma(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = alloc_map(test);
	u32 word;

	map->pages = block->page;
	map->nr = 2;
	map->offset = 1;
	do_map(test, map, 0, 4, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, map->nr_ptes, 2);
	KUNIT_EXPECT_EQ(test, user_read(addr_of(map, 0), &word), -EFAULT);
	expect_maps_block(test, map, 1, block, 0);
	expect_maps_block(test, map, 2, block, 1);
	KUNIT_EXPECT_EQ(test, user_read(addr_of(map, 3), &word), -EFAULT);

	/* The rest may follow, in front and behind, by either form. */
	KUNIT_EXPECT_EQ(test, insert(map, addr_of(map, 3), CONTIG,
				     &block->page[7], 1, VMA_PROT), 0);
	KUNIT_EXPECT_EQ(test, insert(map, addr_of(map, 0), ARRAY,
				     &block->page[6], 1, READ_ONLY), 0);
	expect_maps_block(test, map, 0, block, 6);
	expect_maps_block(test, map, 3, block, 7);
	expect_uncounted(test, 0);
}

static void map_across_page_tables(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	unsigned long border = find_pmd_border(test, NR_PAGES);
	struct map *map;
	int i, form;

	for (form = 0; form < NR_FORMS; form++) {
		map = block_to_map(test, block);
		map->form = form;
		do_map(test, map, border - 3 * PAGE_SIZE, NR_PAGES,
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED);
		KUNIT_EXPECT_EQ(test, map->nr_ptes, NR_PAGES);
		for (i = 0; i < NR_PAGES; i++)
			expect_maps_block(test, map, i, block, i);
		expect_uncounted(test, 0);
		vm_munmap(map->addr, NR_PAGES * PAGE_SIZE);
	}
}

/* More than a page table full, of a few pages over and over. */
static void map_many_pages(struct kunit *test)
{
	struct block *block = alloc_block(test, SINGLE);
	unsigned long i, nr = PTRS_PER_PTE + NR_PAGES;
	struct map *map = alloc_map(test);
	struct page **pages;

	pages = kunit_kcalloc(test, nr, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (i = 0; i < nr; i++)
		pages[i] = block->page[i % NR_PAGES];

	map->pages = pages;
	map->nr = nr;
	do_map(test, map, 0, nr, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, map->nr_ptes, nr);
	for (i = 0; i < nr; i++) {
		pte_t pte;

		if (!get_pte(test_mm(test), addr_of(map, i), &pte) ||
		    pte_pfn(pte) != page_to_pfn(pages[i]))
			break;
	}
	KUNIT_EXPECT_EQ(test, i, nr);
	expect_uncounted(test, 0);
}

/* A run of pages as long as an architecture may fold into one translation. */
#define RUN_ORDER	6
#define RUN_PAGES	BIT(RUN_ORDER)

static void free_run(struct page *run)
{
	usermap_clear_pages(run, RUN_PAGES);
	__free_pages(run, RUN_ORDER);
}

KUNIT_DEFINE_ACTION_WRAPPER(free_run_action, free_run, struct page *);

/* Pages @first to @last of @map are those of @run, and can be read. */
static void expect_run(struct kunit *test, struct map *map, struct page *run,
		       unsigned long first, unsigned long last)
{
	unsigned long i;
	u32 word;

	for (i = first; i <= last; i++) {
		expect_mapped(test, test_mm(test), addr_of(map, i), run + i);
		KUNIT_EXPECT_EQ(test, user_read(addr_of(map, i), &word), 0);
		KUNIT_EXPECT_EQ(test, word, i);
	}
}

static void expect_folded(struct kunit *test, unsigned long addr)
{
#ifdef CONFIG_ARM64_CONTPTE
	pte_t pte;

	KUNIT_ASSERT_TRUE(test, get_pte(test_mm(test), addr, &pte));
	KUNIT_EXPECT_TRUE(test, pte_cont(pte));
#endif
}

static void map_run_child(struct child *child)
{
	/* A part of what is folded goes here, the rest when the child exits. */
	child->err = user_read(child->addr + PAGE_SIZE, &child->word[0]) ?:
		     vm_munmap(child->addr, PAGE_SIZE);
}

static void map_run_part_child(struct child *child)
{
	u32 word;

	/* Only the first of these two pages was to be copied. */
	child->err = user_read(child->addr, &child->word[0]);
	if (!child->err && user_read(child->addr + PAGE_SIZE, &word) != -EFAULT)
		child->err = -EEXIST;
}

static void map_run(struct kunit *test)
{
	struct page *run = alloc_pages(GFP_KERNEL | __GFP_COMP, RUN_ORDER);
	struct map *map = alloc_map(test);
	struct child child = { .fn = map_run_child, .err = -EINTR };
	unsigned long i;
	u32 word;

	KUNIT_ASSERT_NOT_NULL(test, run);
	for (i = 0; i < RUN_PAGES; i++)
		fill_page(run + i, i);
	usermap_set_pages(run, RUN_PAGES);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_run_action,
							run), 0);

	map->form = CONTIG;
	map->pages = &run;
	map->nr = RUN_PAGES;
	do_map(test, map, find_pmd_border(test, RUN_PAGES), RUN_PAGES,
	       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED);
	expect_run(test, map, run, 0, RUN_PAGES - 1);
	expect_folded(test, map->addr);

	/* Each of these is about one page of those that are folded. */
	child.addr = addr_of(map, 1);
	fork_and_wait(test, &child);
	KUNIT_EXPECT_EQ(test, child.err, 0);
	KUNIT_EXPECT_EQ(test, child.word[0], 2);
	expect_run(test, map, run, 0, RUN_PAGES - 1);
	expect_folded(test, map->addr);

	/* This splits the VMA, and leaves the PTEs alone. */
	if (IS_ENABLED(CONFIG_ADVISE_SYSCALLS)) {
		KUNIT_EXPECT_EQ(test, do_madvise(test_mm(test), addr_of(map, 2),
						 PAGE_SIZE, MADV_DONTFORK), 0);
		child.fn = map_run_part_child;
		fork_and_wait(test, &child);
		KUNIT_EXPECT_EQ(test, child.err, 0);
		KUNIT_EXPECT_EQ(test, child.word[0], 1);
		expect_folded(test, map->addr);
	}

	KUNIT_EXPECT_EQ(test, do_mprotect(test_mm(test), addr_of(map, 1),
					  addr_of(map, 2), 0, VM_WRITE), 0);
	for (i = 0; i < RUN_PAGES; i++)
		KUNIT_EXPECT_EQ(test, is_writable(test_mm(test), addr_of(map, i)),
				i != 1);
	expect_run(test, map, run, 0, RUN_PAGES - 1);

	KUNIT_EXPECT_EQ(test, vm_munmap(addr_of(map, 34), PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, user_read(addr_of(map, 34), &word), -EFAULT);
	expect_run(test, map, run, 0, 33);
	expect_run(test, map, run, 35, RUN_PAGES - 1);

	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, RUN_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_NULL(test, page_table_check_special(run, RUN_PAGES));
	KUNIT_EXPECT_EQ(test, page_ref_count(run), 1);
	expect_uncounted(test, 0);
}

static void map_in_two_mms(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block), *other;
	struct mm_struct *mm = mm_create();
	int i;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	other = block_to_map(test, block);

	mm_switch(mm);
	KUNIT_EXPECT_EQ(test, try_map(other, 0, NR_PAGES, PROT_READ,
				      MAP_PRIVATE), 0);
	for (i = 0; !other->ret && i < NR_PAGES; i++)
		expect_maps_block(test, other, i, block, i);
	expect_rss(test, mm, 0);
	expect_uncounted(test, 0);
	mm_switch(test_mm(test));

	/* The exit of one mm does not disturb the other. */
	mm_destroy(test, mm);
	expect_uncounted(test, 0);
	for (i = 0; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, block, i);
}

/* VM_MIXEDMAP is set; all other flags are the driver's. */
static void map_sets_mixedmap_only(struct kunit *test)
{
	static const vm_flags_t flags[] = {
		0, VM_IO, VM_DONTCOPY | VM_DONTEXPAND, VM_DONTDUMP, VM_MIXEDMAP,
	};
	struct block *block = alloc_block(test, SPLIT);
	int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct map *map = block_to_map(test, block);
		vm_flags_t now;

		map->set_flags = flags[i];
		do_map(test, map, 0, NR_PAGES, PROT_READ, MAP_SHARED);
		mmap_read_lock(test_mm(test));
		now = vma_lookup(test_mm(test), map->addr)->vm_flags;
		mmap_read_unlock(test_mm(test));
		/* mmap() itself sets VM_SOFTDIRTY. */
		KUNIT_EXPECT_EQ(test, (now ^ map->flags) & ~VM_SOFTDIRTY,
				VM_MIXEDMAP & ~map->flags);
	}
}

static void map_read_only_prot(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = block_to_map(test, block);
	int i;

	map->prot = READ_ONLY;
	map->vm_ops = &mkwrite_vm_ops;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < NR_PAGES; i++) {
		expect_maps_block(test, map, i, block, i);
		KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test),
						     addr_of(map, i)));
	}
	KUNIT_EXPECT_EQ(test, map->nr_mkwrites, 0);

	/* The first write asks, once, and for the right page. */
	for (i = 0; i < NR_PAGES; i += 3) {
		unsigned long addr = addr_of(map, i);

		map->nr_mkwrites = 0;
		KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), 0);
		KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), 0);
		KUNIT_EXPECT_EQ(test, map->nr_mkwrites, 1);
		KUNIT_EXPECT_EQ(test, map->mkwrite_pgoff, i);
		KUNIT_EXPECT_TRUE(test, is_writable(test_mm(test), addr));
		KUNIT_EXPECT_EQ(test, page_word(block->page[i], 0), SOME_VALUE);
		expect_mapped(test, test_mm(test), addr, block->page[i]);
	}
	KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test), addr_of(map, 1)));
	expect_uncounted(test, 0);
}

/* Without ->pfn_mkwrite nobody is asked, and the first write succeeds. */
static void map_read_only_prot_unasked(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = block_to_map(test, block);

	map->prot = READ_ONLY;
	map->vm_ops = &page_mkwrite_vm_ops;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test), map->addr));
	KUNIT_EXPECT_EQ(test, user_write(map->addr, SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, map->nr_mkwrites, 0);
	KUNIT_EXPECT_TRUE(test, is_writable(test_mm(test), map->addr));
	KUNIT_EXPECT_EQ(test, page_word(block->page[0], 0), SOME_VALUE);
	expect_uncounted(test, 0);
}

/* The scheme of perf: only the control page becomes writable. */
static void map_first_page_writable(struct kunit *test)
{
	struct block *block = alloc_block(test, SINGLE);
	struct map *map = block_to_map(test, block);
	int i;

	map->prot = READ_ONLY;
	map->vm_ops = &mkwrite_vm_ops;
	map->first_only = true;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);

	KUNIT_EXPECT_EQ(test, user_write(addr_of(map, 0), SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, page_word(block->page[0], 0), SOME_VALUE);
	for (i = 1; i < NR_PAGES; i++) {
		unsigned long addr = addr_of(map, i);

		KUNIT_EXPECT_TRUE(test, do_fault(test_mm(test), addr,
						 FAULT_FLAG_WRITE) &
					VM_FAULT_SIGBUS);
		KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), -EFAULT);
		KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test), addr));
		expect_maps_block(test, map, i, block, i);
	}
	expect_uncounted(test, 0);
}

static void map_writable_prot(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = block_to_map(test, block);
	int i;

	map->prot = WRITABLE;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_TRUE(test, is_writable(test_mm(test),
						    addr_of(map, i)));
}

static void check_zero_page(struct kunit *test, struct map *map,
			    unsigned long prot, unsigned long flags)
{
	struct block *block = alloc_block(test, SPLIT);
	struct page *pages[] = {
		block->page[0], ZERO_PAGE(0), block->page[1], ZERO_PAGE(0),
	};
	int refs = page_ref_count(ZERO_PAGE(0));

	map->pages = pages;
	map->nr = ARRAY_SIZE(pages);
	do_map(test, map, 0, ARRAY_SIZE(pages), prot, flags);
	expect_maps_block(test, map, 0, block, 0);
	expect_mapped(test, test_mm(test), addr_of(map, 1), ZERO_PAGE(0));
	expect_user_page(test, addr_of(map, 1), 0, 0);
	expect_maps_block(test, map, 2, block, 1);
	expect_user_page(test, addr_of(map, 3), 0, 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(ZERO_PAGE(0)), refs);
	expect_uncounted(test, 0);
	map->pages = NULL;
}

static void map_zero_page_private(struct kunit *test)
{
	struct map *map = alloc_map(test);

	check_zero_page(test, map, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, user_write(addr_of(map, 1) + SOME_OFFSET,
					 SOME_VALUE), 0);
	expect_user_page(test, addr_of(map, 1), 0, SOME_VALUE);
	expect_user_page(test, addr_of(map, 3), 0, 0);
	expect_rss(test, test_mm(test), 1);
}

/* The way of the ftrace ring buffer: nobody can ever write. */
static void map_zero_page_shared(struct kunit *test)
{
	struct map *map = alloc_map(test);

	map->clear_flags = VM_MAYWRITE;
	check_zero_page(test, map, PROT_READ, MAP_SHARED);
}

/* Nor can anyone where the driver decides about each write. */
static void map_zero_page_mkwrite(struct kunit *test)
{
	struct map *map = alloc_map(test);

	map->set_flags = VM_IO;
	map->vm_ops = &mkwrite_vm_ops;
	map->prot = READ_ONLY;
	check_zero_page(test, map, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void map_fork_shared_child(struct child *child)
{
	child->err = user_read(child->addr, &child->word[0]) ?:
		     user_write(child->addr + PAGE_SIZE, SOME_VALUE);
}

static void map_fork_shared(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	struct child child = {
		.fn = map_fork_shared_child,
		.addr = map->addr,
		.err = -EINTR,
	};

	fork_and_wait(test, &child);
	KUNIT_EXPECT_EQ(test, child.err, 0);
	KUNIT_EXPECT_EQ(test, child.word[0], block->fill);
	KUNIT_EXPECT_EQ(test, page_word(block->page[1], 0), SOME_VALUE);
	expect_maps_block(test, map, 0, block, 0);
	expect_mapped(test, test_mm(test), addr_of(map, 1), block->page[1]);
	expect_uncounted(test, 0);
}

/* What a child sees while it lives: the same pages, not counted either. */
struct fork_counts {
	struct child child;
	struct block *block;
	struct page_state state[NR_PAGES];
	unsigned long rss;
	unsigned long nr_ptes;
	unsigned long nr_normal;
};

static void map_fork_counts_child(struct child *child)
{
	struct fork_counts *fc = container_of(child, struct fork_counts, child);
	int i;

	fc->rss = get_mm_rss_sum(current->mm);
	fc->nr_ptes = count_ptes(current->mm, child->addr, NR_PAGES);
	for (i = 0; i < NR_PAGES; i++) {
		read_state(fc->block->page[i], &fc->state[i]);
		if (normal_page(current->mm, child->addr + i * PAGE_SIZE))
			fc->nr_normal++;
	}
	child->err = 0;
}

/* The child must have all of the pages, @copies of them as copies of its own. */
static void fork_and_count(struct kunit *test, struct map *map,
			   struct fork_counts *fc, unsigned long copies)
{
	fc->child.fn = map_fork_counts_child;
	fc->child.addr = map->addr;
	fc->child.err = -EINTR;
	fork_and_wait(test, &fc->child);
	KUNIT_ASSERT_EQ(test, fc->child.err, 0);
	KUNIT_EXPECT_EQ(test, fc->rss, copies);
	KUNIT_EXPECT_EQ(test, fc->nr_ptes, NR_PAGES);
	KUNIT_EXPECT_EQ(test, fc->nr_normal, copies);
}

static void map_fork_counts(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_private(test, block);
	struct fork_counts fc = { .block = block };
	int i;

	fork_and_count(test, map, &fc, 0);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_MEMEQ(test, &fc.state[i], &block->state[i],
				   sizeof(fc.state[i]));
	expect_uncounted(test, 0);
}

static void map_mprotect(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	unsigned long end = addr_of(map, NR_PAGES);
	struct mm_struct *mm = test_mm(test);
	int i;

	KUNIT_EXPECT_EQ(test, do_mprotect(mm, map->addr, end, 0, VM_WRITE), 0);
	for (i = 0; i < NR_PAGES; i++) {
		expect_maps_block(test, map, i, block, i);
		KUNIT_EXPECT_FALSE(test, is_writable(mm, addr_of(map, i)));
		KUNIT_EXPECT_EQ(test, user_write(addr_of(map, i), SOME_VALUE),
				-EFAULT);
	}
	expect_uncounted(test, 0);

	KUNIT_EXPECT_EQ(test, do_mprotect(mm, map->addr, end, VM_WRITE, 0), 0);
	for (i = 0; i < NR_PAGES; i++) {
		expect_maps_block(test, map, i, block, i);
		KUNIT_EXPECT_EQ(test, user_write(addr_of(map, i), SOME_VALUE),
				0);
		KUNIT_EXPECT_EQ(test, page_word(block->page[i], 0), SOME_VALUE);
	}
	expect_uncounted(test, 0);
}

static void map_mremap(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	unsigned long len = NR_PAGES * PAGE_SIZE;
	struct mm_struct *mm = test_mm(test);
	int i, ret;

	mmap_write_lock(mm);
	ret = relocate_vma_down(vma_lookup(mm, map->addr), len);
	mmap_write_unlock(mm);
	KUNIT_ASSERT_EQ(test, ret, 0);

	KUNIT_EXPECT_EQ(test, count_ptes(mm, map->addr, NR_PAGES), 0);
	map->addr -= len;
	for (i = 0; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, block, i);
	expect_uncounted(test, 0);
}

static void map_partial_munmap(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	u32 word;
	int i;

	KUNIT_EXPECT_EQ(test, vm_munmap(addr_of(map, 2), 3 * PAGE_SIZE), 0);
	expect_uncounted(test, 0);
	for (i = 0; i < NR_PAGES; i++) {
		if (i >= 2 && i < 5)
			KUNIT_EXPECT_EQ(test, user_read(addr_of(map, i), &word),
					-EFAULT);
		else
			expect_maps_block(test, map, i, block, i);
	}
}

/* Zapped pages are gone, here without a ->fault to bring them back. */
static void map_madv_dontneed(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	u32 word;

	KUNIT_EXPECT_EQ(test, do_madvise(test_mm(test), map->addr,
					 2 * PAGE_SIZE, MADV_DONTNEED), 0);
	expect_uncounted(test, 0);
	KUNIT_EXPECT_EQ(test, user_read(map->addr, &word), -EFAULT);
	expect_maps_block(test, map, 2, block, 2);
}

/* As with the VM_PFNMAP mappings that such a driver had before. */
static void map_madv_dontneed_vm_io(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = block_to_map(test, block);

	map->set_flags = VM_IO;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, do_madvise(test_mm(test), map->addr,
					 NR_PAGES * PAGE_SIZE, MADV_DONTNEED),
			-EINVAL);
	expect_maps_block(test, map, 0, block, 0);
}

static struct kunit_case usermap_map_cases[] = {
	KUNIT_CASE_PARAM(map_array, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_contig, contig_kinds_gen_params),
	KUNIT_CASE_PARAM(map_kaddrs, contig_kinds_gen_params),
	KUNIT_CASE(map_known_order),
	KUNIT_CASE_PARAM(map_part_of_block, contig_kinds_gen_params),
	KUNIT_CASE_PARAM(map_array_in_any_order, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_contig_over_two_blocks, contig_kinds_gen_params),
	KUNIT_CASE(map_vmalloc),
	KUNIT_CASE(map_part_of_vma),
	KUNIT_CASE_PARAM(map_across_page_tables, contig_kinds_gen_params),
	KUNIT_CASE(map_many_pages),
	KUNIT_CASE(map_run),
	KUNIT_CASE_PARAM(map_in_two_mms, all_kinds_gen_params),
	KUNIT_CASE(map_sets_mixedmap_only),
	KUNIT_CASE(map_read_only_prot),
	KUNIT_CASE(map_read_only_prot_unasked),
	KUNIT_CASE(map_first_page_writable),
	KUNIT_CASE(map_writable_prot),
	KUNIT_CASE(map_zero_page_private),
	KUNIT_CASE(map_zero_page_shared),
	KUNIT_CASE(map_zero_page_mkwrite),
	KUNIT_CASE_PARAM(map_fork_shared, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_fork_counts, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_mprotect, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_mremap, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_partial_munmap, all_kinds_gen_params),
	KUNIT_CASE_PARAM(map_madv_dontneed, all_kinds_gen_params),
	KUNIT_CASE(map_madv_dontneed_vm_io),
	{}
};

static struct kunit_suite usermap_map_suite = {
	.name = "usermap_map",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_map_cases,
};

/* Suite usermap_reject: who must not take a usermap page for a folio. */

static long gup_get_fast(unsigned long addr, unsigned int flags,
			 struct page **page)
{
	return get_user_pages_fast(addr, 1, flags, page);
}

static long gup_get_unlocked(unsigned long addr, unsigned int flags,
			     struct page **page)
{
	return get_user_pages_unlocked(addr, 1, page, flags);
}

static long gup_get(unsigned long addr, unsigned int flags, struct page **page)
{
	long ret;

	mmap_read_lock(current->mm);
	ret = get_user_pages(addr, 1, flags, page);
	mmap_read_unlock(current->mm);
	return ret;
}

static long gup_get_remote(unsigned long addr, unsigned int flags,
			   struct page **page)
{
	long ret;

	mmap_read_lock(current->mm);
	ret = get_user_pages_remote(current->mm, addr, 1, flags, page, NULL);
	mmap_read_unlock(current->mm);
	return ret;
}

static long gup_pin_fast(unsigned long addr, unsigned int flags,
			 struct page **page)
{
	return pin_user_pages_fast(addr, 1, flags, page);
}

static long gup_pin(unsigned long addr, unsigned int flags, struct page **page)
{
	long ret;

	mmap_read_lock(current->mm);
	ret = pin_user_pages(addr, 1, flags, page);
	mmap_read_unlock(current->mm);
	return ret;
}

static long gup_pin_remote(unsigned long addr, unsigned int flags,
			   struct page **page)
{
	long ret;

	mmap_read_lock(current->mm);
	ret = pin_user_pages_remote(current->mm, addr, 1, flags, page, NULL);
	mmap_read_unlock(current->mm);
	return ret;
}

static const struct gup_param {
	const char *desc;
	long (*gup)(unsigned long addr, unsigned int flags, struct page **page);
	unsigned int flags;
	bool pin;
} gup_params[] = {
	{ "get_user_pages_fast", gup_get_fast },
	{ "get_user_pages_unlocked", gup_get_unlocked },
	{ "get_user_pages", gup_get },
	{ "get_user_pages_remote", gup_get_remote },
	{ "get_user_pages_remote, forced", gup_get_remote, FOLL_FORCE },
	{ "pin_user_pages_fast", gup_pin_fast, 0, true },
	{ "pin_user_pages_fast, long-term", gup_pin_fast, FOLL_LONGTERM, true },
	{ "pin_user_pages", gup_pin, 0, true },
	{ "pin_user_pages, long-term", gup_pin, FOLL_LONGTERM, true },
	{ "pin_user_pages_remote", gup_pin_remote, 0, true },
};

KUNIT_ARRAY_PARAM_DESC(gup, gup_params, desc);

static void expect_gup_fails(struct kunit *test, unsigned long addr,
			     unsigned int flags)
{
	const struct gup_param *param = test->param_value;
	struct page *page = NULL;
	long ret;

	ret = param->gup(addr, param->flags | flags, &page);
	KUNIT_EXPECT_EQ(test, ret, -EFAULT);
	if (ret == 1 && param->pin)
		unpin_user_page(page);
	else if (ret == 1)
		put_page(page);
}

static void check_gup(struct kunit *test, vm_flags_t vm_flags)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *map = block_to_map(test, block);
	struct map *private = block_to_map(test, block);
	int i;

	map->set_flags = vm_flags;
	private->set_flags = vm_flags;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	do_map(test, private, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (i = 0; i < 2; i++) {
		expect_gup_fails(test, addr_of(map, i), 0);
		expect_gup_fails(test, addr_of(map, i), FOLL_WRITE);
		expect_gup_fails(test, addr_of(private, i), 0);
		expect_maps_block(test, map, i, block, i);
		expect_maps_block(test, private, i, block, i);
	}
	expect_uncounted(test, 0);
}

static void reject_gup(struct kunit *test)
{
	check_gup(test, 0);
}

static void reject_gup_vm_io(struct kunit *test)
{
	check_gup(test, VM_IO);
}

static void reject_gup_fast_only(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *map = map_shared(test, block);
	struct page *page;
	int i;

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_LE(test, get_user_pages_fast_only(addr_of(map, i),
							       1, 0, &page), 0);
		KUNIT_EXPECT_LE(test, get_user_pages_fast_only(addr_of(map, i),
							       1, FOLL_WRITE,
							       &page), 0);
	}
	expect_uncounted(test, 0);
}

/* An array that begins with memory that GUP does take. */
static void reject_gup_after_anon(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = map_private(test, block);
	struct page *pages[NR_PAGES];
	long ret;

	KUNIT_EXPECT_EQ(test, user_write(map->addr, SOME_VALUE), 0);
	ret = pin_user_pages_unlocked(map->addr, NR_PAGES, pages, 0);
	KUNIT_EXPECT_EQ(test, ret, 1);
	if (ret > 0)
		unpin_user_pages(pages, ret);
	expect_uncounted(test, 1);
}

/* GUP for write gets the copy of a private mapping, as it always did. */
static void reject_gup_takes_copy(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *map = map_private(test, block);
	struct page *page = NULL;

	KUNIT_ASSERT_EQ(test, pin_user_pages_fast(addr_of(map, 1), 1,
						  FOLL_WRITE, &page), 1);
	KUNIT_EXPECT_TRUE(test, folio_test_anon(page_folio(page)));
	unpin_user_page(page);
	expect_copy(test, map, 1, block, 1, block->fill + 1);
	expect_uncounted(test, 1);
}

/* Without an array of pages GUP has nothing to refuse. */
static void reject_not_populate(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	unsigned long len = NR_PAGES * PAGE_SIZE;
	struct mm_struct *mm = test_mm(test);
	int i;

	KUNIT_EXPECT_EQ(test, do_madvise(mm, map->addr, len,
					 MADV_POPULATE_READ), 0);
	KUNIT_EXPECT_EQ(test, do_madvise(mm, map->addr, len,
					 MADV_POPULATE_WRITE), 0);
	KUNIT_EXPECT_EQ(test, __mm_populate(map->addr, len, 0), 0);
	for (i = 0; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, block, i);
	expect_uncounted(test, 0);
}

static void reject_not_mlock(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_block(test, block, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_LOCKED | MAP_POPULATE);
	int i;

	for (i = 0; i < NR_PAGES; i++)
		expect_maps_block(test, map, i, block, i);
	KUNIT_EXPECT_EQ(test, test_mm(test)->locked_vm, 0);
	expect_uncounted(test, 0);
}

static void reject_vm_insert_page(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = alloc_map(test);
	struct mm_struct *mm = test_mm(test);
	int i;

	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < NR_PAGES; i++) {
		struct kunit_suppressed_warning *w = expect_warnings(test);
		struct vm_area_struct *vma;
		unsigned long nr = 1;

		mmap_write_lock(mm);
		vma = vma_lookup(mm, map->addr);
		KUNIT_EXPECT_EQ(test, vm_insert_page(vma, addr_of(map, i),
						     block->page[i]), -EINVAL);
		mmap_write_unlock(mm);
		check_warnings(test, w, 1);

		w = expect_warnings(test);
		mmap_write_lock(mm);
		KUNIT_EXPECT_EQ(test, vm_insert_pages(vma, addr_of(map, i),
						      &block->page[i], &nr),
				-EINVAL);
		mmap_write_unlock(mm);
		check_warnings(test, w, 1);
		KUNIT_EXPECT_EQ(test, nr, 1);
	}
	KUNIT_EXPECT_EQ(test, count_ptes(mm, map->addr, NR_PAGES), 0);
	expect_uncounted(test, 0);
}

/*
 * Nor does it take pages of another type, which sits in the head as well. Any
 * type will do that has no meaning to the page allocator.
 */
static void reject_vm_insert_tail(struct kunit *test)
{
	struct map *map = alloc_map(test);
	struct mm_struct *mm = test_mm(test);
	struct vm_area_struct *vma;
	struct page *head;

	head = alloc_pages(GFP_KERNEL | __GFP_COMP, 1);
	KUNIT_ASSERT_NOT_NULL(test, head);
	__SetPageOffline(head);

	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	mmap_write_lock(mm);
	vma = vma_lookup(mm, map->addr);
	KUNIT_EXPECT_EQ(test, vm_insert_page(vma, addr_of(map, 0), head),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, vm_insert_page(vma, addr_of(map, 1), head + 1),
			-EINVAL);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, count_ptes(mm, map->addr, NR_PAGES), 0);
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);

	KUNIT_EXPECT_EQ(test, page_count(head), 1);
	__ClearPageOffline(head);
	__free_pages(head, 1);
}

static const struct fault_param {
	const char *desc;
	unsigned int fault_flags;
	unsigned long mmap_flags;
	vm_fault_t ret;
} fault_params[] = {
	{ "shared read", 0, MAP_SHARED },
	{ "shared write", FAULT_FLAG_WRITE, MAP_SHARED },
	{ "private read", 0, MAP_PRIVATE },
	{ "private write", FAULT_FLAG_WRITE, MAP_PRIVATE },
	{ "shared read, locked", 0, MAP_SHARED, VM_FAULT_LOCKED },
	{ "shared write, locked", FAULT_FLAG_WRITE, MAP_SHARED,
	  VM_FAULT_LOCKED },
	{ "private write, locked", FAULT_FLAG_WRITE, MAP_PRIVATE,
	  VM_FAULT_LOCKED },
};

KUNIT_ARRAY_PARAM_DESC(fault, fault_params, desc);

static void check_fault(struct kunit *test, struct page *page)
{
	const struct fault_param *param = test->param_value;
	struct kunit_suppressed_warning *w;
	struct map *map = alloc_map(test);
	vm_fault_t ret;

	map->vm_ops = &fault_vm_ops;
	map->fault_page = page;
	map->fault_ret = param->ret;
	do_map(test, map, 0, 1, PROT_READ | PROT_WRITE, param->mmap_flags);

	w = expect_warnings(test);
	ret = do_fault(test_mm(test), map->addr, param->fault_flags);
	check_warnings(test, w, 1);
	KUNIT_EXPECT_TRUE(test, ret & VM_FAULT_SIGBUS);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr, 1), 0);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(page_folio(page)));
	expect_uncounted(test, 0);
}

static void reject_fault_single(struct kunit *test)
{
	check_fault(test, alloc_block(test, SINGLE)->page[1]);
}

static void reject_fault_head(struct kunit *test)
{
	check_fault(test, alloc_block(test, COMPOUND)->page[0]);
}

static void reject_fault_tail(struct kunit *test)
{
	check_fault(test, alloc_block(test, COMPOUND)->page[3]);
}

static struct kunit_case usermap_reject_cases[] = {
	KUNIT_CASE_PARAM(reject_gup, gup_gen_params),
	KUNIT_CASE_PARAM(reject_gup_vm_io, gup_gen_params),
	KUNIT_CASE(reject_gup_fast_only),
	KUNIT_CASE(reject_gup_after_anon),
	KUNIT_CASE(reject_gup_takes_copy),
	KUNIT_CASE_PARAM(reject_not_populate, all_kinds_gen_params),
	KUNIT_CASE_PARAM(reject_not_mlock, all_kinds_gen_params),
	KUNIT_CASE_PARAM(reject_vm_insert_page, all_kinds_gen_params),
	KUNIT_CASE(reject_vm_insert_tail),
	KUNIT_CASE_PARAM(reject_fault_single, fault_gen_params),
	KUNIT_CASE_PARAM(reject_fault_head, fault_gen_params),
	KUNIT_CASE_PARAM(reject_fault_tail, fault_gen_params),
	{}
};

static struct kunit_suite usermap_reject_suite = {
	.name = "usermap_reject",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_reject_cases,
};

/* Suite usermap_cow: private mappings. */

static void cow_on_write(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_private(test, block);
	int i;

	KUNIT_EXPECT_EQ(test, user_write(addr_of(map, 0) + SOME_OFFSET,
					 SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, user_write(addr_of(map, 3) + SOME_OFFSET,
					 SOME_VALUE), 0);
	for (i = 0; i < NR_PAGES; i++) {
		if (i == 0 || i == 3)
			expect_copy(test, map, i, block, i, SOME_VALUE);
		else
			expect_maps_block(test, map, i, block, i);
	}
	expect_uncounted(test, 2);

	/* The copy is on its own now. */
	fill_page(block->page[3], 0);
	expect_user_page(test, addr_of(map, 3), block->fill + 3, SOME_VALUE);
}

/* Who writes into the mapping through access_remote_vm(). */
static const struct writer_param {
	const char *desc;
	unsigned long prot;
	bool self;
	bool no_mm;
	bool same_addr;
} writer_params[] = {
	{ "the same mm", PROT_READ | PROT_WRITE, .self = true },
	{ "no mm", PROT_READ | PROT_WRITE, .no_mm = true },
	{ "other mm, nothing there", PROT_READ | PROT_WRITE },
	{ "other mm, other memory there", PROT_READ | PROT_WRITE,
	  .same_addr = true },
	{ "read-only mapping, the same mm", PROT_READ, .self = true },
	{ "read-only mapping, no mm", PROT_READ, .no_mm = true },
	{ "read-only mapping, other mm, nothing there", PROT_READ },
	{ "read-only mapping, other mm, other memory there", PROT_READ,
	  .same_addr = true },
};

KUNIT_ARRAY_PARAM_DESC(writer, writer_params, desc);

static void check_remote_cow(struct kunit *test, enum block_kind kind, int i)
{
	const struct writer_param *param = test->param_value;
	struct block *block = alloc_block(test, kind);
	struct map *map = map_block(test, block, param->prot, MAP_PRIVATE);
	unsigned long addr = addr_of(map, i);
	struct mm_struct *mm = mm_create();
	u32 word = SOME_VALUE;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	if (!param->self)
		mm_switch(param->no_mm ? NULL : mm);
	if (param->same_addr) {
		KUNIT_EXPECT_EQ(test, vm_mmap(NULL, addr, PAGE_SIZE,
					      PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_FIXED, 0), addr);
		memset32(usermap_test(test)->buf, 0xeeeeeeee,
			 PAGE_SIZE / sizeof(u32));
		KUNIT_EXPECT_EQ(test, copy_to_user((void __user *)addr,
						   usermap_test(test)->buf,
						   PAGE_SIZE), 0);
	}
	KUNIT_EXPECT_EQ(test, access_remote_vm(test_mm(test),
					       addr + SOME_OFFSET, &word,
					       sizeof(word),
					       FOLL_FORCE | FOLL_WRITE),
			sizeof(word));
	if (param->same_addr)
		expect_user_page(test, addr, 0xeeeeeeee, 0xeeeeeeee);
	if (!param->self)
		mm_switch(test_mm(test));
	mm_destroy(test, mm);

	expect_copy(test, map, i, block, i, SOME_VALUE);
	expect_maps_block(test, map, 1, block, 1);
	expect_uncounted(test, 1);
}

static void cow_remote_single(struct kunit *test)
{
	check_remote_cow(test, SINGLE, 0);
}

static void cow_remote_head(struct kunit *test)
{
	check_remote_cow(test, COMPOUND, 0);
}

static void cow_remote_tail(struct kunit *test)
{
	check_remote_cow(test, COMPOUND, 3);
}

/* A PFN where vm_normal_page() finds no page, and which is not a usermap one. */
static vm_fault_t no_page_fault(struct vm_fault *vmf)
{
	unsigned long pfn = max_pfn;

	while (pfn_valid(pfn))
		pfn++;
	return vmf_insert_mixed(vmf->vma, vmf->address, pfn);
}

static const struct vm_operations_struct no_page_vm_ops = {
	.fault = no_page_fault,
};

/* Another mm has something else at that address, or nothing. */
static void cow_remote_no_page(struct kunit *test)
{
	struct map *map = alloc_map(test);
	struct mm_struct *mm = mm_create();
	u32 word = SOME_VALUE;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	map->vm_ops = &no_page_vm_ops;
	map->set_flags = VM_MIXEDMAP;
	do_map(test, map, 0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, do_fault(test_mm(test), map->addr, 0),
			VM_FAULT_NOPAGE);
	mm_switch(mm);
	KUNIT_EXPECT_EQ(test, access_remote_vm(test_mm(test), map->addr, &word,
					       sizeof(word),
					       FOLL_FORCE | FOLL_WRITE), 0);
	mm_switch(test_mm(test));
	mm_destroy(test, mm);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr, 1), 1);
	expect_uncounted(test, 0);
}

static void cow_child(struct child *child)
{
	child->err = user_write(child->addr + SOME_OFFSET, SOME_VALUE) ?:
		     user_read(child->addr, &child->word[0]) ?:
		     user_read(child->addr + SOME_OFFSET, &child->word[1]);
}

static void cow_after_fork(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_private(test, block);
	struct child child = {
		.fn = cow_child,
		.addr = addr_of(map, 2),
		.err = -EINTR,
	};

	fork_and_wait(test, &child);
	KUNIT_EXPECT_EQ(test, child.err, 0);
	KUNIT_EXPECT_EQ(test, child.word[0], block->fill + 2);
	KUNIT_EXPECT_EQ(test, child.word[1], SOME_VALUE);
	expect_maps_block(test, map, 2, block, 2);
	expect_uncounted(test, 0);
}

/* fork() counts the copy, in the middle of pages that it does not count. */
static void cow_before_fork(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_private(test, block);
	struct fork_counts fc = { .block = block };

	KUNIT_ASSERT_EQ(test, user_write(addr_of(map, 1) + SOME_OFFSET,
					 SOME_VALUE), 0);
	fork_and_count(test, map, &fc, 1);
	expect_copy(test, map, 1, block, 1, SOME_VALUE);
	expect_uncounted(test, 1);
}

/* An unmapped copy goes with its RSS; the usermap pages around it stay. */
static void cow_then_munmap(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_private(test, block);

	KUNIT_EXPECT_EQ(test, user_write(addr_of(map, 4), SOME_VALUE), 0);
	expect_uncounted(test, 1);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr_of(map, 4), PAGE_SIZE), 0);
	expect_uncounted(test, 0);
	expect_maps_block(test, map, 3, block, 3);
	expect_maps_block(test, map, 5, block, 5);
}

static struct kunit_case usermap_cow_cases[] = {
	KUNIT_CASE_PARAM(cow_on_write, all_kinds_gen_params),
	KUNIT_CASE_PARAM(cow_remote_single, writer_gen_params),
	KUNIT_CASE_PARAM(cow_remote_head, writer_gen_params),
	KUNIT_CASE_PARAM(cow_remote_tail, writer_gen_params),
	KUNIT_CASE(cow_remote_no_page),
	KUNIT_CASE_PARAM(cow_after_fork, all_kinds_gen_params),
	KUNIT_CASE_PARAM(cow_before_fork, all_kinds_gen_params),
	KUNIT_CASE_PARAM(cow_then_munmap, all_kinds_gen_params),
	{}
};

static struct kunit_suite usermap_cow_suite = {
	.name = "usermap_cow",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_cow_cases,
};

/* Suite usermap_remote: ptrace, /proc/PID/mem and the like. */

static const struct remote_param {
	const char *desc;
	vm_flags_t vm_flags;
	bool other_mm;
} remote_params[] = {
	{ "from the same mm", 0, false },
	{ "from another mm", 0, true },
	{ "VM_IO, from the same mm", VM_IO, false },
	{ "VM_IO, from another mm", VM_IO, true },
};

KUNIT_ARRAY_PARAM_DESC(remote, remote_params, desc);

/* access_remote_vm() of the test's mm, as the parameter wants it. */
static int remote_access(struct kunit *test, unsigned long addr, void *buf,
			 int len, unsigned int gup_flags)
{
	const struct remote_param *param = test->param_value;
	struct mm_struct *mm = NULL;
	int ret;

	if (param->other_mm) {
		mm = mm_create();
		KUNIT_ASSERT_NOT_NULL(test, mm);
		mm_switch(mm);
	}
	ret = access_remote_vm(test_mm(test), addr, buf, len,
			       FOLL_FORCE | gup_flags);
	if (mm) {
		mm_switch(test_mm(test));
		mm_destroy(test, mm);
	}
	return ret;
}

static struct map *remote_map(struct kunit *test, struct block *block,
			      enum map_prot map_prot, unsigned long prot,
			      unsigned long flags)
{
	const struct remote_param *param = test->param_value;
	struct map *map = block_to_map(test, block);

	map->set_flags = param->vm_flags;
	map->prot = map_prot;
	map->vm_ops = &mkwrite_vm_ops;
	map->first_only = true;
	do_map(test, map, 0, NR_PAGES, prot, flags);
	return map;
}

static void remote_read(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	u32 *buf = usermap_test(test)->buf;
	unsigned long flags;

	for (flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
		struct map *map = remote_map(test, block, VMA_PROT, PROT_READ,
					     flags);

		memset(buf, 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, remote_access(test, map->addr, buf,
						    PAGE_SIZE, 0), PAGE_SIZE);
		KUNIT_EXPECT_TRUE(test, words_are(buf, block->fill,
						  block->fill));
		KUNIT_EXPECT_EQ(test, remote_access(test, addr_of(map, 3), buf,
						    PAGE_SIZE, 0), PAGE_SIZE);
		KUNIT_EXPECT_TRUE(test, words_are(buf, block->fill + 3,
						  block->fill + 3));
		expect_uncounted(test, 0);
	}
}

static void remote_read_across_pages(struct kunit *test)
{
	struct block *block = alloc_block(test, SINGLE);
	struct map *map = remote_map(test, block, VMA_PROT, PROT_READ,
				     MAP_SHARED);
	u32 words[4] = {};

	KUNIT_EXPECT_EQ(test, remote_access(test, addr_of(map, 2) - 8, words,
					    sizeof(words), 0), sizeof(words));
	KUNIT_EXPECT_EQ(test, words[0], block->fill + 1);
	KUNIT_EXPECT_EQ(test, words[1], block->fill + 1);
	KUNIT_EXPECT_EQ(test, words[2], block->fill + 2);
	KUNIT_EXPECT_EQ(test, words[3], block->fill + 2);

	/* As much as there is. */
	KUNIT_EXPECT_EQ(test, remote_access(test, addr_of(map, NR_PAGES) - 8,
					    words, sizeof(words), 0), 8);
	KUNIT_EXPECT_EQ(test, words[0], block->fill + NR_PAGES - 1);
	expect_uncounted(test, 0);
}

static void remote_write(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *map = remote_map(test, block, VMA_PROT,
				     PROT_READ | PROT_WRITE, MAP_SHARED);
	u32 words[4] = { 1, 2, 3, 4 };
	pte_t pte;
	int i;

	KUNIT_EXPECT_EQ(test, remote_access(test, addr_of(map, 3) - 8, words,
					    sizeof(words), FOLL_WRITE),
			sizeof(words));
	KUNIT_EXPECT_EQ(test, page_word(block->page[2], PAGE_SIZE - 8), 1);
	KUNIT_EXPECT_EQ(test, page_word(block->page[2], PAGE_SIZE - 4), 2);
	KUNIT_EXPECT_EQ(test, page_word(block->page[3], 0), 3);
	KUNIT_EXPECT_EQ(test, page_word(block->page[3], 4), 4);
	KUNIT_EXPECT_EQ(test, page_word(block->page[3], 8), block->fill + 3);

	for (i = 2; i <= 3; i++) {
		expect_mapped(test, test_mm(test), addr_of(map, i),
			      block->page[i]);
		KUNIT_ASSERT_TRUE(test, get_pte(test_mm(test), addr_of(map, i),
						&pte));
		KUNIT_EXPECT_TRUE(test, pte_write(pte));
		KUNIT_EXPECT_TRUE(test, pte_dirty(pte));
	}
	KUNIT_EXPECT_EQ(test, map->nr_mkwrites, 0);
	expect_uncounted(test, 0);
}

static void check_remote_write_refused(struct kunit *test, struct block *block,
				       struct map *map)
{
	unsigned long addr = addr_of(map, 3);
	u32 word = SOME_VALUE;

	KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test), addr));
	KUNIT_EXPECT_EQ(test, remote_access(test, addr, &word, sizeof(word),
					    FOLL_WRITE), 0);
	KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test), addr));
	KUNIT_EXPECT_TRUE(test, page_is_filled(block->page[3],
					       block->fill + 3));
	expect_maps_block(test, map, 3, block, 3);
	expect_uncounted(test, 0);
}

/* pfn_mkwrite says no, or (VM_IO) is not asked. */
static void remote_write_read_only_pte(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *map = remote_map(test, block, READ_ONLY,
				     PROT_READ | PROT_WRITE, MAP_SHARED);

	check_remote_write_refused(test, block, map);
}

static void remote_write_read_only_vma(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *map = remote_map(test, block, VMA_PROT, PROT_READ,
				     MAP_SHARED);

	check_remote_write_refused(test, block, map);
}

/* What a VMA allows, no more: access without FOLL_FORCE. */
static void remote_without_force(struct kunit *test)
{
	struct block *block = alloc_block(test, SINGLE);
	struct map *map = map_shared(test, block);
	struct mm_struct *mm = test_mm(test);
	u32 word = SOME_VALUE;

	KUNIT_EXPECT_EQ(test, access_remote_vm(mm, addr_of(map, 1), &word,
					       sizeof(word), FOLL_WRITE),
			sizeof(word));
	word = 0;
	KUNIT_EXPECT_EQ(test, access_remote_vm(mm, addr_of(map, 1), &word,
					       sizeof(word), 0), sizeof(word));
	KUNIT_EXPECT_EQ(test, word, SOME_VALUE);
	KUNIT_EXPECT_EQ(test, page_word(block->page[1], 0), SOME_VALUE);

	/* It is not what the readers of command lines look for. */
	KUNIT_EXPECT_EQ(test, access_remote_vm(mm, addr_of(map, 1), &word,
					       sizeof(word), FOLL_ANON), 0);

	/* Nothing to see behind PROT_NONE, then. */
	KUNIT_EXPECT_EQ(test, do_mprotect(mm, map->addr, addr_of(map, NR_PAGES),
					  0, VM_READ | VM_WRITE), 0);
	KUNIT_EXPECT_EQ(test, access_remote_vm(mm, addr_of(map, 1), &word,
					       sizeof(word), 0), 0);
	KUNIT_EXPECT_EQ(test, access_remote_vm(mm, addr_of(map, 1), &word,
					       sizeof(word), FOLL_WRITE), 0);
	expect_uncounted(test, 0);
}

#ifdef CONFIG_ELF_CORE
static void remote_core_dump(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	int i, locked = 0;

	for (i = 0; i < NR_PAGES; i++) {
		struct page *page = get_dump_page(addr_of(map, i), &locked);

		/* A tail of a non-compound block has no reference to share. */
		KUNIT_EXPECT_PTR_EQ(test, page,
				    block->kind == HIGH_ORDER && i ? NULL :
				    block->page[i]);
		if (page)
			put_page(page);
	}
	expect_uncounted(test, 0);
}
#endif

static struct kunit_case usermap_remote_cases[] = {
	KUNIT_CASE_PARAM(remote_read, remote_gen_params),
	KUNIT_CASE_PARAM(remote_read_across_pages, remote_gen_params),
	KUNIT_CASE_PARAM(remote_write, remote_gen_params),
	KUNIT_CASE_PARAM(remote_write_read_only_pte, remote_gen_params),
	KUNIT_CASE_PARAM(remote_write_read_only_vma, remote_gen_params),
	KUNIT_CASE(remote_without_force),
#ifdef CONFIG_ELF_CORE
	KUNIT_CASE_PARAM(remote_core_dump, all_kinds_gen_params),
#endif
	{}
};

static struct kunit_suite usermap_remote_suite = {
	.name = "usermap_remote",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_remote_cases,
};

/* Suite usermap_badinput: the documented errno, and nothing left behind. */

enum bad_page {
	GOOD,
	UNTYPED,
	FREED,	/* what a freed page looks like: no type, no reference */
	SLAB,
	LARGE_KMALLOC,
	ANON,
	ZERO,
	UNTYPED_TAIL,
	OCCUPIED,	/* not the page, but the place where it is to go */
};

/**
 * struct bad_param - one call that must fail, in a VMA of NR_PAGES pages
 * @desc: what is bad
 * @err: what the call must return
 * @warnings: number of warnings
 * @offset: where to map, in bytes from the start of the VMA
 * @nr: number of pages to map
 * @bad: what is wrong with page @i
 * @i: index of the bad page
 * @set_flags: VM flags of the VMA
 */
struct bad_param {
	const char *desc;
	int err;
	int warnings;
	long offset;
	unsigned long nr;
	enum bad_page bad;
	int i;
	vm_flags_t set_flags;
};

#define BAD_PAGE(_desc, _bad, _i)			\
	{						\
		.desc = _desc, .err = -EINVAL,		\
		.offset = PAGE_SIZE, .nr = 5,		\
		.bad = _bad, .i = _i,			\
	}

#define BAD_RANGE(_desc, _err, _offset, _nr)		\
	{						\
		.desc = _desc, .err = _err,		\
		.offset = _offset, .nr = _nr,		\
	}

#define OCCUPIED_PTE(_desc, _i)				\
	{						\
		.desc = _desc, .err = -EBUSY,		\
		.offset = PAGE_SIZE, .nr = 5,		\
		.bad = OCCUPIED, .i = _i,		\
	}

static const struct bad_param bad_params[] = {
	BAD_PAGE("untyped page first", UNTYPED, 0),
	BAD_PAGE("untyped page in the middle", UNTYPED, 2),
	BAD_PAGE("untyped page last", UNTYPED, 4),
	BAD_PAGE("freed page first", FREED, 0),
	BAD_PAGE("freed page in the middle", FREED, 2),
	BAD_PAGE("freed page last", FREED, 4),
	OCCUPIED_PTE("occupied PTE first", 0),
	OCCUPIED_PTE("occupied PTE in the middle", 2),
	OCCUPIED_PTE("occupied PTE last", 4),
	BAD_RANGE("no pages", -EINVAL, PAGE_SIZE, 0),
	BAD_RANGE("address not aligned", -EINVAL, PAGE_SIZE + 8, 2),
	BAD_RANGE("begins before the VMA", -EFAULT, -(long)PAGE_SIZE, 2),
	BAD_RANGE("lies before the VMA", -EFAULT, -(long)PAGE_SIZE, 1),
	BAD_RANGE("ends after the VMA", -EFAULT,
		  (NR_PAGES - 2) * PAGE_SIZE, 3),
	BAD_RANGE("lies after the VMA", -EFAULT, NR_PAGES * PAGE_SIZE, 1),
	BAD_RANGE("one page more than the VMA has", -EFAULT, 0, NR_PAGES + 1),
	BAD_RANGE("ULONG_MAX pages", -EFAULT, PAGE_SIZE, ULONG_MAX),
	BAD_RANGE("size overflows to 0", -EFAULT, PAGE_SIZE,
		  ULONG_MAX / PAGE_SIZE + 1),
	BAD_RANGE("size overflows to a page", -EFAULT, PAGE_SIZE,
		  ULONG_MAX / PAGE_SIZE + 2),
	BAD_RANGE("end overflows into the VMA", -EFAULT, 2 * PAGE_SIZE,
		  ULONG_MAX / PAGE_SIZE),
	{
		.desc = "VM_PFNMAP", .err = -EINVAL, .warnings = 1,
		.offset = PAGE_SIZE, .nr = 2, .set_flags = VM_PFNMAP,
	},
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_params, desc);

/* Pages that an array can have where a run of contiguous pages cannot. */
static const struct bad_param bad_array_params[] = {
	BAD_PAGE("slab page first", SLAB, 0),
	BAD_PAGE("slab page in the middle", SLAB, 2),
	BAD_PAGE("slab page last", SLAB, 4),
	BAD_PAGE("large kmalloc() page", LARGE_KMALLOC, 2),
	BAD_PAGE("anonymous page first", ANON, 0),
	BAD_PAGE("anonymous page last", ANON, 4),
	BAD_PAGE("tail of an untyped compound page", UNTYPED_TAIL, 2),
	BAD_PAGE("zero page where it may become writable", ZERO, 2),
};

KUNIT_ARRAY_PARAM_DESC(bad_array, bad_array_params, desc);

/* The call that must fail, its errno, its warnings, and what is mapped then. */
static void expect_insert_fails(struct kunit *test, struct map *map,
				enum form form, struct page **pages,
				unsigned long nr_mapped)
{
	const struct bad_param *param = test->param_value;
	struct kunit_suppressed_warning *w = expect_warnings(test);
	int ret;

	ret = insert(map, map->addr + param->offset, form, pages, param->nr,
		     VMA_PROT);
	check_warnings(test, w, param->warnings);
	KUNIT_EXPECT_EQ(test, ret, param->err);

	/* With one page more on each side. */
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr - PAGE_SIZE,
					 NR_PAGES + 2), nr_mapped);
}

static void check_bad_input(struct kunit *test, enum form form)
{
	const struct bad_param *param = test->param_value;
	struct block *block = alloc_block(test, SPLIT);
	struct block *other = alloc_block(test, SINGLE);
	struct page *bad_page = block->page[param->i];
	struct map *map = alloc_map(test);
	unsigned long nr_mapped = 0;

	map->set_flags = param->set_flags;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (param->bad == OCCUPIED) {
		KUNIT_ASSERT_EQ(test, insert(map, addr_of(map, 1 + param->i),
					     ARRAY, other->page, 1, VMA_PROT),
				0);
		nr_mapped = 1;
	}
	if (param->bad == UNTYPED || param->bad == FREED)
		usermap_clear_pages(bad_page, 1);
	if (param->bad == FREED)
		KUNIT_ASSERT_TRUE(test, page_ref_freeze(bad_page, 1));

	expect_insert_fails(test, map, form, block->page, nr_mapped);

	if (param->bad == FREED) {
		KUNIT_EXPECT_EQ(test, page_ref_count(bad_page), 0);
		page_ref_unfreeze(bad_page, 1);
	}
	if (param->bad == UNTYPED || param->bad == FREED) {
		KUNIT_EXPECT_FALSE(test, page_is_usermap(bad_page));
		usermap_set_pages(bad_page, 1);
	}
	if (param->bad == OCCUPIED)
		expect_maps_block(test, map, 1 + param->i, other, 0);
	expect_uncounted(test, 0);
}

static void bad_input_array(struct kunit *test)
{
	check_bad_input(test, ARRAY);
}

static void bad_input_contig(struct kunit *test)
{
	check_bad_input(test, CONTIG);
}

static void bad_input_kaddrs(struct kunit *test)
{
	check_bad_input(test, KADDRS);
}

static struct page *get_anon_page(struct kunit *test)
{
	struct page *page = NULL;
	unsigned long addr;

	/* Away from the borders, where expect_insert_fails() looks. */
	addr = vm_mmap(NULL, 0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_ASSERT_EQ(test, get_user_pages_unlocked(addr + PAGE_SIZE, 1,
						      &page, FOLL_WRITE), 1);
	put_page(page);
	return page;
}

static void bad_page_in_array(struct kunit *test)
{
	const struct bad_param *param = test->param_value;
	struct block *block = alloc_block(test, SINGLE);
	struct map *map = alloc_map(test);
	struct page *pages[NR_PAGES], *bad;
	struct page_state before, after;
	unsigned long anon = 0;
	void *slab;

	memcpy(pages, block->page, sizeof(pages));
	switch (param->bad) {
	case SLAB:
	case LARGE_KMALLOC:
		slab = kunit_kmalloc(test, param->bad == SLAB ? 64 :
				     2 * KMALLOC_MAX_CACHE_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, slab);
		bad = virt_to_page(slab);
		break;
	case ANON:
		bad = get_anon_page(test);
		anon = 1;
		break;
	case UNTYPED_TAIL:
		bad = alloc_untyped(test, COMPOUND)->page[3];
		break;
	default:
		bad = ZERO_PAGE(0);
	}
	pages[param->i] = bad;
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);

	read_state(bad, &before);
	expect_insert_fails(test, map, ARRAY, pages, 0);
	read_state(bad, &after);
	KUNIT_EXPECT_MEMEQ(test, &after, &before, sizeof(after));
	expect_uncounted(test, anon);
}

static const struct vmalloc_param {
	const char *desc;
	unsigned long pgoff;
	unsigned long nr;
	int err;
} vmalloc_params[] = {
	{ "no pages", 0, 0, -EINVAL },
	{ "one page more than the area has", 0, NR_PAGES + 1, -EINVAL },
	{ "ends after the area", NR_PAGES - 1, 2, -EINVAL },
	{ "lies after the area", NR_PAGES, 1, -EINVAL },
	{ "lies far after the area", NR_PAGES + 1, 1, -EINVAL },
	{ "ULONG_MAX pages", 1, ULONG_MAX, -EINVAL },
	{ "end overflows into the area", ULONG_MAX, 2, -EINVAL },
	{ "occupied PTE", 0, NR_PAGES, -EBUSY },
};

KUNIT_ARRAY_PARAM_DESC(vmalloc, vmalloc_params, desc);

static void bad_input_vmalloc(struct kunit *test)
{
	const struct vmalloc_param *param = test->param_value;
	struct block *block = alloc_block(test, VMALLOC);
	struct block *other = alloc_block(test, SINGLE);
	struct map *map = alloc_map(test);

	do_map(test, map, 0, 2 * NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_ASSERT_EQ(test, insert(map, addr_of(map, NR_PAGES - 1), ARRAY,
				     other->page, 1, VMA_PROT), 0);
	KUNIT_EXPECT_EQ(test, insert_vmalloc(map, map->addr, block->vaddr,
					     param->pgoff, param->nr),
			param->err);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
					 2 * NR_PAGES), 1);
	expect_maps_block(test, map, NR_PAGES - 1, other, 0);
	expect_uncounted(test, 0);
}

static void bad_vmalloc_area(struct kunit *test)
{
	struct block *untyped = alloc_untyped(test, VMALLOC);
	struct block *pages = alloc_block(test, SINGLE);
	struct map *map = alloc_map(test);
	void *slab, *vmapped;

	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, insert_vmalloc(map, map->addr, untyped->vaddr, 0,
					     NR_PAGES), -EINVAL);

	slab = kunit_kmalloc(test, 64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slab);
	KUNIT_EXPECT_EQ(test, insert_vmalloc(map, map->addr, slab, 0, 1),
			-EINVAL);

	vmapped = vmap(pages->page, NR_PAGES, VM_MAP | VM_USERMAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vmapped);
	KUNIT_EXPECT_EQ(test, insert_vmalloc(map, map->addr, vmapped, 0, 1),
			-EINVAL);
	vunmap(vmapped);

	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr, NR_PAGES),
			0);
	expect_uncounted(test, 0);
}

/* f_op->mmap gives up, and frees the pages right after. */
static void bad_page_in_mmap(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	int form;

	for (form = 0; form < NR_FORMS; form++) {
		struct map *map = block_to_map(test, block);
		int ret;

		map->form = form;
		usermap_clear_pages(block->page[NR_PAGES - 1], 1);
		ret = try_map(map, 0, NR_PAGES, PROT_READ | PROT_WRITE,
			      MAP_SHARED);
		usermap_set_pages(block->page[NR_PAGES - 1], 1);
		KUNIT_EXPECT_EQ(test, ret, -EINVAL);
		KUNIT_EXPECT_EQ(test, map->ret, -EINVAL);
		KUNIT_EXPECT_EQ(test, map->nr_ptes, 0);
		expect_uncounted(test, 0);
	}
}

static void bad_range_in_mmap(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	int form;

	for (form = 0; form < NR_FORMS; form++) {
		struct map *map = block_to_map(test, block);

		map->form = form;
		map->offset = 1;
		KUNIT_EXPECT_EQ(test, try_map(map, 0, NR_PAGES, PROT_READ,
					      MAP_PRIVATE), -EFAULT);
		KUNIT_EXPECT_EQ(test, map->nr_ptes, 0);
		expect_uncounted(test, 0);
	}
}

/* An untyped compound page behind a typed one. */
static void bad_compound_page_in_run(struct kunit *test)
{
	struct block *first, *second;
	struct map *map = alloc_map(test);

	alloc_neighbours(test, COMPOUND, &first, &second);
	block_set_type(first);
	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);

	KUNIT_EXPECT_EQ(test, insert(map, map->addr, CONTIG, &first->page[3],
				     NR_PAGES, VMA_PROT), -EINVAL);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr, NR_PAGES),
			0);

	/* And one in front of it. */
	block_clear_type(first);
	read_state(first->page[0], &first->state[0]);
	block_set_type(second);
	KUNIT_EXPECT_EQ(test, insert(map, map->addr, CONTIG, &first->page[3],
				     NR_PAGES, VMA_PROT), -EINVAL);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr, NR_PAGES),
			0);
	expect_uncounted(test, 0);
}

/* An allocation of known order, and an untyped page behind it. */
static void bad_page_behind_known_order(struct kunit *test)
{
	struct block *first, *second;
	struct map *map = alloc_map(test);

	alloc_neighbours(test, SPLIT, &first, &second);
	block_set_type(first);
	page_usermap(first->page[0])->order = BLOCK_ORDER;
	do_map(test, map, find_pmd_border(test, NR_PAGES + 1) - 3 * PAGE_SIZE,
	       NR_PAGES + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED);

	KUNIT_EXPECT_EQ(test, insert(map, map->addr, CONTIG, first->page,
				     NR_PAGES + 1, VMA_PROT), -EINVAL);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
					 NR_PAGES + 1), 0);
	/* An order is the owner's word, not what was in the page before. */
	usermap_clear_pages(first->page[0], NR_PAGES);
	usermap_set_pages(first->page[0], 1);
	KUNIT_EXPECT_EQ(test, insert(map, map->addr, CONTIG, first->page,
				     NR_PAGES, VMA_PROT), -EINVAL);
	usermap_set_pages(first->page[1], NR_PAGES - 1);
	/* From its second page on, each is looked at. */
	usermap_clear_pages(first->page[3], 1);
	KUNIT_EXPECT_EQ(test, insert(map, map->addr, CONTIG, &first->page[1],
				     NR_PAGES - 1, VMA_PROT), -EINVAL);
	usermap_set_pages(first->page[3], 1);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
					 NR_PAGES + 1), 0);
	expect_uncounted(test, 0);
}

/* A compound page goes in at once, or not at all. */
static void bad_pte_in_compound_page(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct block *other = alloc_block(test, SINGLE);
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		struct map *map = alloc_map(test);

		do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE,
		       MAP_SHARED);
		KUNIT_ASSERT_EQ(test, insert(map, addr_of(map, i), ARRAY,
					     other->page, 1, VMA_PROT), 0);
		KUNIT_EXPECT_EQ(test, insert(map, map->addr, CONTIG, block->page,
					     NR_PAGES, VMA_PROT), -EBUSY);
		KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
						 NR_PAGES), 1);
		expect_maps_block(test, map, i, other, 0);
		expect_uncounted(test, 0);
	}
}

/* The pages in front of the border are mapped when the failure comes. */
static void bad_pte_in_next_table(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct block *other = alloc_block(test, SINGLE);
	unsigned long border = find_pmd_border(test, NR_PAGES);
	struct map *map = alloc_map(test);
	int form;

	do_map(test, map, border - 3 * PAGE_SIZE, NR_PAGES,
	       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED);
	KUNIT_ASSERT_EQ(test, insert(map, addr_of(map, NR_PAGES - 2), ARRAY,
				     other->page, 1, VMA_PROT), 0);

	for (form = 0; form < NR_FORMS; form++) {
		KUNIT_EXPECT_EQ(test, insert(map, map->addr, form,
					     block->page, NR_PAGES, VMA_PROT),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
						 NR_PAGES), 1);
		expect_maps_block(test, map, NR_PAGES - 2, other, 0);
		expect_uncounted(test, 0);
	}
}

/* What is there, and stays, may also be a copy in a private mapping. */
static void bad_pte_has_copy(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct map *map = alloc_map(test);
	int form;

	do_map(test, map, 0, NR_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KUNIT_ASSERT_EQ(test, insert(map, addr_of(map, 2), ARRAY, block->page,
				     1, VMA_PROT), 0);
	KUNIT_ASSERT_EQ(test, user_write(addr_of(map, 2) + SOME_OFFSET,
					 SOME_VALUE), 0);
	for (form = 0; form < NR_FORMS; form++) {
		KUNIT_EXPECT_EQ(test, insert(map, map->addr, form,
					     block->page, NR_PAGES, VMA_PROT),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), map->addr,
						 NR_PAGES), 1);
		expect_copy(test, map, 2, block, 0, SOME_VALUE);
		expect_uncounted(test, 1);
	}
}

/* A writable zero page?  Not even if the VMA may have a read-only one. */
static void bad_prot_for_zero_page(struct kunit *test)
{
	struct page *zero = ZERO_PAGE(0);
	struct map *map = alloc_map(test);
	struct kunit_suppressed_warning *w;

	map->set_flags = VM_IO;
	map->vm_ops = &mkwrite_vm_ops;
	map->prot = WRITABLE;
	map->pages = &zero;
	map->nr = 1;
	w = expect_warnings(test);
	KUNIT_EXPECT_EQ(test, try_map(map, 0, 1, PROT_READ | PROT_WRITE,
				      MAP_SHARED), -EINVAL);
	check_warnings(test, w, 0);
	KUNIT_EXPECT_EQ(test, map->nr_ptes, 0);
}

static const struct prot_param {
	const char *desc;
	enum map_prot map_prot;
	unsigned long prot;
	unsigned long flags;
} prot_params[] = {
	{ "writable, private VMA", WRITABLE, PROT_READ | PROT_WRITE,
	  MAP_PRIVATE },
	{ "writable, read-only private VMA", WRITABLE, PROT_READ, MAP_PRIVATE },
	{ "writable, read-only shared VMA", WRITABLE, PROT_READ, MAP_SHARED },
	{ "writable vm_page_prot, private VMA", WRITABLE_VMA,
	  PROT_READ | PROT_WRITE, MAP_PRIVATE },
	{ "writable vm_page_prot, read-only shared VMA", WRITABLE_VMA,
	  PROT_READ, MAP_SHARED },
	{ "uncached, writable", UNCACHED, PROT_READ | PROT_WRITE, MAP_SHARED },
	{ "uncached, read-only", UNCACHED, PROT_READ, MAP_SHARED },
	{ "uncached, private", UNCACHED, PROT_READ | PROT_WRITE, MAP_PRIVATE },
};

KUNIT_ARRAY_PARAM_DESC(prot, prot_params, desc);

static void bad_prot(struct kunit *test)
{
	const struct prot_param *param = test->param_value;
	struct block *block = alloc_block(test, SPLIT);
	pgprot_t cached = vm_get_page_prot(VM_READ);
	struct kunit_suppressed_warning *w;
	int form, ret;

	if (param->map_prot == UNCACHED &&
	    pgprot_val(pgprot_noncached(cached)) == pgprot_val(cached))
		kunit_skip(test, "no uncached mappings here");

	for (form = 0; form < NR_FORMS; form++) {
		struct map *map = block_to_map(test, block);

		map->form = form;
		map->prot = param->map_prot;
		w = expect_warnings(test);
		ret = try_map(map, 0, NR_PAGES, param->prot, param->flags);
		check_warnings(test, w, 1);
		KUNIT_EXPECT_EQ(test, ret, -EINVAL);
		KUNIT_EXPECT_EQ(test, map->ret, -EINVAL);
		KUNIT_EXPECT_EQ(test, map->nr_ptes, 0);
		expect_uncounted(test, 0);
	}
}

/* Not even with the mmap lock held for read. */
static void bad_lock(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct mm_struct *mm = test_mm(test);
	struct map *map = alloc_map(test);
	int form;

	if (!IS_ENABLED(CONFIG_LOCKDEP) || !IS_ENABLED(CONFIG_BUG) ||
	    !debug_locks)
		kunit_skip(test, "needs lockdep");

	/* With the flag set there is nothing but the assertion to complain. */
	map->set_flags = VM_MIXEDMAP;
	do_map(test, map, 0, NR_FORMS * NR_PAGES, PROT_READ, MAP_SHARED);
	for (form = 0; form < NR_FORMS; form++) {
		struct kunit_suppressed_warning *w = expect_warnings(test);
		int count;

		mmap_read_lock(mm);
		vma_insert(vma_lookup(mm, map->addr),
			   addr_of(map, form * NR_PAGES), form, block->page,
			   1, VMA_PROT);
		mmap_read_unlock(mm);
		count = kunit_suppressed_warning_count(w);
		kunit_end_suppress_warning(test, w);
		rearm_warnings();
		KUNIT_EXPECT_GT(test, count, 0);
	}
}

static struct kunit_case usermap_badinput_cases[] = {
	KUNIT_CASE_PARAM(bad_input_array, bad_gen_params),
	KUNIT_CASE_PARAM(bad_input_contig, bad_gen_params),
	KUNIT_CASE_PARAM(bad_input_kaddrs, bad_gen_params),
	KUNIT_CASE_PARAM(bad_page_in_array, bad_array_gen_params),
	KUNIT_CASE_PARAM(bad_input_vmalloc, vmalloc_gen_params),
	KUNIT_CASE(bad_vmalloc_area),
	KUNIT_CASE(bad_page_in_mmap),
	KUNIT_CASE(bad_range_in_mmap),
	KUNIT_CASE(bad_compound_page_in_run),
	KUNIT_CASE(bad_page_behind_known_order),
	KUNIT_CASE(bad_pte_in_compound_page),
	KUNIT_CASE(bad_pte_in_next_table),
	KUNIT_CASE(bad_pte_has_copy),
	KUNIT_CASE_PARAM(bad_prot, prot_gen_params),
	KUNIT_CASE(bad_prot_for_zero_page),
	KUNIT_CASE(bad_lock),
	{}
};

static struct kunit_suite usermap_badinput_suite = {
	.name = "usermap_badinput",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_badinput_cases,
};

/* Suite usermap_fault: pages that ->fault maps. */

/**
 * struct fault_map - a mapping that is filled page by page
 * @map: how it is mapped
 * @pages: page i is to be mapped at page offset i
 * @then: if any, a page that ->fault tries to map after it
 * @at_once: a write fault makes the page writable
 * @calls: number of calls of ->fault
 * @ret: what the last call under test returned
 */
struct fault_map {
	struct map map;
	struct page **pages;
	struct page *then;
	bool at_once;
	unsigned int calls;
	vm_fault_t ret;
};

static vm_fault_t insert_page_of(struct vm_fault *vmf, struct fault_map *fm,
				 struct page *page)
{
	if (fm->at_once && (vmf->flags & FAULT_FLAG_WRITE))
		return vmf_insert_usermap_page_mkwrite(vmf, page);
	return vmf_insert_usermap_page(vmf, page);
}

static vm_fault_t insert_fault(struct vm_fault *vmf)
{
	struct map *map = vmf->vma->vm_private_data;
	struct fault_map *fm = container_of(map, struct fault_map, map);

	fm->calls++;
	fm->ret = insert_page_of(vmf, fm, fm->pages[vmf->pgoff]);
	if (fm->then)
		fm->ret = insert_page_of(vmf, fm, fm->then);
	return fm->ret;
}

static vm_fault_t insert_mkwrite(struct vm_fault *vmf)
{
	map_pfn_mkwrite(vmf);
	return insert_fault(vmf);
}

static const struct vm_operations_struct insert_vm_ops = {
	.fault = insert_fault,
};

static const struct vm_operations_struct insert_mkwrite_vm_ops = {
	.fault = insert_fault,
	.pfn_mkwrite = map_pfn_mkwrite,
};

static const struct vm_operations_struct insert_at_once_vm_ops = {
	.fault = insert_fault,
	.pfn_mkwrite = insert_mkwrite,
};

static struct fault_map *fault_map(struct kunit *test, struct page **pages,
				   const struct vm_operations_struct *vm_ops,
				   vm_flags_t vm_flags, unsigned long prot,
				   unsigned long flags)
{
	struct fault_map *fm = kunit_kzalloc(test, sizeof(*fm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fm);
	fm->pages = pages;
	fm->map.vm_ops = vm_ops;
	fm->map.set_flags = vm_flags;
	do_map(test, &fm->map, 0, NR_PAGES, prot, flags);
	return fm;
}

/* Page @i comes by a fault, and is page @i of @block. */
static void expect_faults_in(struct kunit *test, struct fault_map *fm, int i,
			     struct block *block)
{
	KUNIT_EXPECT_EQ(test, do_fault(test_mm(test), addr_of(&fm->map, i), 0),
			VM_FAULT_NOPAGE);
	expect_maps_block(test, &fm->map, i, block, i);
}

static bool is_dirty(struct mm_struct *mm, unsigned long addr)
{
	pte_t pte;

	return get_pte(mm, addr, &pte) && pte_dirty(pte);
}

static void fault_maps_pages(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct fault_map *fm = fault_map(test, block->page, &insert_vm_ops,
					 VM_MIXEDMAP, PROT_READ | PROT_WRITE,
					 MAP_SHARED);
	struct mm_struct *mm = test_mm(test);
	int i;

	KUNIT_EXPECT_EQ(test, count_ptes(mm, fm->map.addr, NR_PAGES), 0);
	for (i = NR_PAGES; i--; ) {
		const unsigned long addr = addr_of(&fm->map, i);

		KUNIT_EXPECT_EQ(test, do_fault(mm, addr, 0), VM_FAULT_NOPAGE);
		KUNIT_EXPECT_TRUE(test, is_writable(mm, addr));
		KUNIT_EXPECT_FALSE(test, is_dirty(mm, addr));
		expect_maps_block(test, &fm->map, i, block, i);
	}
	KUNIT_EXPECT_EQ(test, fm->calls, NR_PAGES);

	KUNIT_EXPECT_EQ(test, user_write(fm->map.addr, SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, page_word(block->page[0], 0), SOME_VALUE);
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(page_folio(block->page[0])));
	KUNIT_EXPECT_EQ(test, fm->calls, NR_PAGES);
	expect_uncounted(test, 0);
}

static void fault_again_after_zap(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page, &insert_vm_ops,
					 VM_MIXEDMAP, PROT_READ, MAP_SHARED);
	struct mm_struct *mm = test_mm(test);

	expect_faults_in(test, fm, 1, block);
	mmap_read_lock(mm);
	zap_vma_range(vma_lookup(mm, fm->map.addr), fm->map.addr,
		      NR_PAGES * PAGE_SIZE);
	mmap_read_unlock(mm);
	KUNIT_EXPECT_EQ(test, count_ptes(mm, fm->map.addr, NR_PAGES), 0);

	expect_faults_in(test, fm, 1, block);
	KUNIT_EXPECT_EQ(test, fm->calls, 2);
	expect_uncounted(test, 0);
}

static void fault_read_only(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page, &insert_vm_ops,
					 VM_MIXEDMAP, PROT_READ, MAP_SHARED);

	expect_faults_in(test, fm, 2, block);
	KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test),
					     addr_of(&fm->map, 2)));
	KUNIT_EXPECT_EQ(test, user_write(addr_of(&fm->map, 2), SOME_VALUE),
			-EFAULT);
}

/* The first write to a page, and no other access, comes to ->pfn_mkwrite. */
static void fault_pfn_mkwrite(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page,
					 &insert_mkwrite_vm_ops, VM_MIXEDMAP,
					 PROT_READ | PROT_WRITE, MAP_SHARED);
	struct mm_struct *mm = test_mm(test);
	const unsigned long addr = addr_of(&fm->map, 3);

	KUNIT_EXPECT_EQ(test, do_fault(mm, addr, FAULT_FLAG_WRITE),
			VM_FAULT_NOPAGE);
	expect_maps_block(test, &fm->map, 3, block, 3);
	KUNIT_EXPECT_FALSE(test, is_writable(mm, addr));
	KUNIT_EXPECT_FALSE(test, is_dirty(mm, addr));
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 0);

	KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 1);
	KUNIT_EXPECT_EQ(test, fm->map.mkwrite_pgoff, 3);
	KUNIT_EXPECT_TRUE(test, is_dirty(mm, addr));
	KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE + 1), 0);
	KUNIT_EXPECT_EQ(test, page_word(block->page[3], 0), SOME_VALUE + 1);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 1);
	KUNIT_EXPECT_EQ(test, fm->calls, 1);
	expect_uncounted(test, 0);
}

/* The driver makes the page writable itself, in one step with its record. */
static void fault_writable_at_once(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page,
					 &insert_at_once_vm_ops, VM_MIXEDMAP,
					 PROT_READ | PROT_WRITE, MAP_SHARED);
	struct mm_struct *mm = test_mm(test);
	unsigned long addr = addr_of(&fm->map, 0);

	fm->at_once = true;
	KUNIT_EXPECT_EQ(test, do_fault(mm, addr, FAULT_FLAG_WRITE),
			VM_FAULT_NOPAGE);
	KUNIT_EXPECT_TRUE(test, is_writable(mm, addr));
	KUNIT_EXPECT_TRUE(test, is_dirty(mm, addr));
	expect_maps_block(test, &fm->map, 0, block, 0);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 0);

	addr = addr_of(&fm->map, 1);
	KUNIT_EXPECT_EQ(test, do_fault(mm, addr, 0), VM_FAULT_NOPAGE);
	KUNIT_EXPECT_FALSE(test, is_writable(mm, addr));
	KUNIT_EXPECT_FALSE(test, is_dirty(mm, addr));
	KUNIT_EXPECT_EQ(test, do_fault(mm, addr, FAULT_FLAG_WRITE),
			VM_FAULT_NOPAGE);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 1);
	KUNIT_EXPECT_TRUE(test, is_writable(mm, addr));
	KUNIT_EXPECT_TRUE(test, is_dirty(mm, addr));
	expect_maps_block(test, &fm->map, 1, block, 1);
	KUNIT_EXPECT_EQ(test, fm->calls, 3);
	expect_uncounted(test, 0);
}

/* Only the page that is mapped, and only where the VMA may write to it. */
static void fault_not_writable(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct mm_struct *mm = test_mm(test);
	struct fault_map *fm;

	fm = fault_map(test, block->page, &insert_at_once_vm_ops, VM_MIXEDMAP,
		       PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, do_fault(mm, fm->map.addr, 0), VM_FAULT_NOPAGE);
	fm->pages = &block->page[1];
	fm->at_once = true;
	KUNIT_EXPECT_EQ(test, do_fault(mm, fm->map.addr, FAULT_FLAG_WRITE),
			VM_FAULT_NOPAGE);
	KUNIT_EXPECT_FALSE(test, is_writable(mm, fm->map.addr));
	expect_maps_block(test, &fm->map, 0, block, 0);

	fm = fault_map(test, block->page, &insert_at_once_vm_ops, VM_MIXEDMAP,
		       PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fm->at_once = true;
	KUNIT_EXPECT_EQ(test, do_fault(mm, fm->map.addr, FAULT_FLAG_WRITE),
			VM_FAULT_NOPAGE);
	KUNIT_EXPECT_FALSE(test, is_writable(mm, fm->map.addr));
	KUNIT_EXPECT_EQ(test, user_write(fm->map.addr + SOME_OFFSET,
					 SOME_VALUE), 0);
	expect_copy(test, &fm->map, 0, block, 0, SOME_VALUE);
}

/* What wp_shared_mapping_range() does to a PTE. */
static void wrprotect(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;
	spinlock_t *ptl;
	pte_t *pte;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	pte = get_locked_pte(mm, addr, &ptl);
	if (pte) {
		ptep_set_wrprotect(mm, addr, pte);
		pte_unmap_unlock(pte, ptl);
		flush_tlb_page(vma, addr);
	}
	mmap_read_unlock(mm);
}

/* mprotect() does not make a page writable that was protected meanwhile. */
static void fault_pfn_mkwrite_mprotect(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page,
					 &insert_mkwrite_vm_ops, VM_MIXEDMAP,
					 PROT_READ | PROT_WRITE, MAP_SHARED);
	struct mm_struct *mm = test_mm(test);
	const unsigned long addr = fm->map.addr, end = addr_of(&fm->map, 1);

	KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 1);

	wrprotect(mm, addr);
	KUNIT_EXPECT_TRUE(test, is_dirty(mm, addr));
	KUNIT_EXPECT_EQ(test, do_mprotect(mm, addr, end, 0, VM_WRITE), 0);
	KUNIT_EXPECT_EQ(test, do_mprotect(mm, addr, end, VM_WRITE, 0), 0);
	KUNIT_EXPECT_FALSE(test, is_writable(mm, addr));

	KUNIT_EXPECT_EQ(test, user_write(addr, SOME_VALUE), 0);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 2);
}

static void fault_private(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct fault_map *fm = fault_map(test, block->page, &insert_vm_ops,
					 VM_MIXEDMAP, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE);

	expect_faults_in(test, fm, 0, block);
	KUNIT_EXPECT_EQ(test, user_write(addr_of(&fm->map, 1) + SOME_OFFSET,
					 SOME_VALUE), 0);
	expect_copy(test, &fm->map, 1, block, 1, SOME_VALUE);
	expect_uncounted(test, 1);
}

static void fault_keeps_what_is_mapped(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page, &insert_vm_ops,
					 VM_MIXEDMAP, PROT_READ, MAP_SHARED);

	fm->then = block->page[5];
	KUNIT_EXPECT_EQ(test, do_fault(test_mm(test), addr_of(&fm->map, 1), 0),
			VM_FAULT_NOPAGE);
	expect_maps_block(test, &fm->map, 1, block, 1);
	expect_uncounted(test, 0);
}

/* A fault that must fail, after a warning. */
static void expect_fault_fails(struct kunit *test, struct page **pages,
			       vm_flags_t vm_flags)
{
	struct fault_map *fm = fault_map(test, pages, &insert_vm_ops, vm_flags,
					 PROT_READ | PROT_WRITE, MAP_SHARED);
	struct kunit_suppressed_warning *w = expect_warnings(test);

	do_fault(test_mm(test), fm->map.addr, 0);
	check_warnings(test, w, 1);
	KUNIT_EXPECT_EQ(test, fm->calls, 1);
	KUNIT_EXPECT_EQ(test, fm->ret, VM_FAULT_SIGBUS);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), fm->map.addr, NR_PAGES),
			0);
	expect_uncounted(test, 0);
}

static void fault_refuses_other_pages(struct kunit *test)
{
	struct page *zero_page = ZERO_PAGE(0);

	expect_fault_fails(test, alloc_untyped(test, SINGLE)->page,
			   VM_MIXEDMAP);
	expect_fault_fails(test, &zero_page, VM_MIXEDMAP);
}

static void fault_refuses_vma(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);

	expect_fault_fails(test, block->page, 0);
	expect_fault_fails(test, block->page, VM_PFNMAP);
}

/* A private mapping whose driver has made vm_page_prot writable. */
static vm_fault_t writable_fault(struct vm_fault *vmf)
{
	vmf->vma->vm_page_prot = vm_get_page_prot(VM_READ | VM_WRITE |
						  VM_SHARED);
	return insert_fault(vmf);
}

static const struct vm_operations_struct writable_vm_ops = {
	.fault = writable_fault,
};

static void fault_refuses_prot(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	struct fault_map *fm = fault_map(test, block->page, &writable_vm_ops,
					 VM_MIXEDMAP, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE);
	struct kunit_suppressed_warning *w = expect_warnings(test);

	do_fault(test_mm(test), fm->map.addr, 0);
	check_warnings(test, w, 1);
	KUNIT_EXPECT_EQ(test, fm->ret, VM_FAULT_SIGBUS);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), fm->map.addr, NR_PAGES),
			0);
}

static struct kunit_case usermap_fault_cases[] = {
	KUNIT_CASE_PARAM(fault_maps_pages, all_kinds_gen_params),
	KUNIT_CASE(fault_again_after_zap),
	KUNIT_CASE(fault_read_only),
	KUNIT_CASE(fault_pfn_mkwrite),
	KUNIT_CASE(fault_writable_at_once),
	KUNIT_CASE(fault_not_writable),
	KUNIT_CASE(fault_pfn_mkwrite_mprotect),
	KUNIT_CASE_PARAM(fault_private, all_kinds_gen_params),
	KUNIT_CASE(fault_keeps_what_is_mapped),
	KUNIT_CASE(fault_refuses_other_pages),
	KUNIT_CASE(fault_refuses_vma),
	KUNIT_CASE(fault_refuses_prot),
	{}
};

static struct kunit_suite usermap_fault_suite = {
	.name = "usermap_fault",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_fault_cases,
};

/*
 * Suite usermap_populate: pages that user space asks for in advance.  What GUP
 * does not touch, for VM_IO or VM_PFNMAP, takes a driver that has ->populate.
 */

/**
 * struct populate_map - a mapping that is populated
 * @map: how it is mapped
 * @pages: page i is to be mapped at page offset i, as a bare PFN
 * @nr: number of @pages
 * @beyond: what ->fault returns for the others
 * @retry: bit i is set if the first fault of page i drops the mmap lock
 * @kill_at: number of calls of ->fault after which a fatal signal is pending
 * @ret: what ->populate returns
 * @faults: out: number of calls of ->fault
 * @populates: out: number of calls of ->populate
 * @start: out: arguments of the first call
 * @end: out: likewise
 */
struct populate_map {
	struct map map;
	struct page **pages;
	unsigned long nr;
	vm_fault_t beyond;
	unsigned long retry;
	unsigned int kill_at;
	int ret;
	unsigned int faults;
	unsigned int populates;
	unsigned long start;
	unsigned long end;
};

static struct populate_map *to_populate_map(struct vm_area_struct *vma)
{
	return container_of(vma->vm_private_data, struct populate_map, map);
}

/* A fatal signal for this thread, until it is taken back. */
static void set_killed(bool killed)
{
	spin_lock_irq(&current->sighand->siglock);
	if (killed) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	} else {
		sigdelset(&current->pending.signal, SIGKILL);
		recalc_sigpending();
	}
	spin_unlock_irq(&current->sighand->siglock);
}

static vm_fault_t pfn_fault(struct vm_fault *vmf)
{
	struct populate_map *pm = to_populate_map(vmf->vma);

	if (__test_and_clear_bit(vmf->pgoff, &pm->retry)) {
		release_fault_lock(vmf);
		return VM_FAULT_RETRY;
	}
	if (++pm->faults == pm->kill_at)
		set_killed(true);
	if (vmf->pgoff >= pm->nr)
		return pm->beyond;
	return vmf_insert_pfn(vmf->vma, vmf->address,
			      page_to_pfn(pm->pages[vmf->pgoff]));
}

static int map_populate(struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	struct populate_map *pm = to_populate_map(vma);

	if (!pm->populates++) {
		pm->start = start;
		pm->end = end;
	}
	return pm->ret;
}

static const struct vm_operations_struct pfn_vm_ops = {
	.fault = pfn_fault,
};

static const struct vm_operations_struct populate_vm_ops = {
	.fault = pfn_fault,
	.populate = map_populate,
};

static const struct vm_operations_struct populate_mkwrite_vm_ops = {
	.fault = pfn_fault,
	.populate = map_populate,
	.pfn_mkwrite = map_pfn_mkwrite,
};

static struct populate_map *
populate_map(struct kunit *test, const struct vm_operations_struct *vm_ops,
	     vm_flags_t vm_flags)
{
	struct populate_map *pm = kunit_kzalloc(test, sizeof(*pm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pm);
	pm->pages = alloc_untyped(test, SPLIT)->page;
	pm->nr = NR_PAGES;
	pm->map.vm_ops = vm_ops;
	pm->map.set_flags = vm_flags;
	return pm;
}

static struct populate_map *
populate_mapped(struct kunit *test, const struct vm_operations_struct *vm_ops,
		unsigned long prot)
{
	struct populate_map *pm = populate_map(test, vm_ops, VM_PFNMAP | VM_IO);

	do_map(test, &pm->map, 0, NR_PAGES, prot, MAP_SHARED);
	return pm;
}

static int populate(struct populate_map *pm, int advice)
{
	return do_madvise(current->mm, pm->map.addr, NR_PAGES * PAGE_SIZE,
			  advice);
}

static void expect_populated(struct kunit *test, struct populate_map *pm,
			     unsigned long nr)
{
	KUNIT_EXPECT_EQ(test, count_ptes(current->mm, pm->map.addr, NR_PAGES),
			nr);
	expect_uncounted(test, 0);
}

static void populate_read(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);

	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ), 0);
	expect_populated(test, pm, NR_PAGES);
	KUNIT_EXPECT_EQ(test, pm->faults, NR_PAGES);
	KUNIT_EXPECT_EQ(test, pm->populates, 1);
	KUNIT_EXPECT_EQ(test, pm->start, pm->map.addr);
	KUNIT_EXPECT_EQ(test, pm->end, addr_of(&pm->map, NR_PAGES));

	/* There is nothing left to fault in. */
	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ), 0);
	KUNIT_EXPECT_EQ(test, pm->faults, NR_PAGES);
}

static void populate_part(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);

	KUNIT_EXPECT_EQ(test, do_madvise(test_mm(test), addr_of(&pm->map, 1),
					 3 * PAGE_SIZE, MADV_POPULATE_READ), 0);
	KUNIT_EXPECT_EQ(test, pm->start, addr_of(&pm->map, 1));
	KUNIT_EXPECT_EQ(test, pm->end, addr_of(&pm->map, 4));
	expect_populated(test, pm, 3);
	KUNIT_EXPECT_EQ(test, count_ptes(test_mm(test), addr_of(&pm->map, 1),
					 3), 3);
}

/* Each driver is told its part of the range. */
static void populate_two_vmas(struct kunit *test)
{
	const unsigned long border = find_pmd_border(test, NR_PAGES);
	const unsigned long len = NR_PAGES * PAGE_SIZE;
	struct populate_map *pm[2];

	for (int i = 0; i < 2; i++) {
		pm[i] = populate_map(test, &populate_vm_ops, VM_PFNMAP | VM_IO);
		do_map(test, &pm[i]->map, i ? border : border - len, NR_PAGES,
		       PROT_READ, MAP_SHARED | MAP_FIXED);
	}
	KUNIT_EXPECT_EQ(test, do_madvise(test_mm(test), border - len, 2 * len,
					 MADV_POPULATE_READ), 0);
	for (int i = 0; i < 2; i++) {
		expect_populated(test, pm[i], NR_PAGES);
		KUNIT_EXPECT_EQ(test, pm[i]->populates, 1);
		KUNIT_EXPECT_EQ(test, pm[i]->start, pm[i]->map.addr);
		KUNIT_EXPECT_EQ(test, pm[i]->end, pm[i]->map.addr + len);
	}
}

/* Populated for write is what pfn_mkwrite has seen. */
static void populate_write(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test,
						  &populate_mkwrite_vm_ops,
						  PROT_READ | PROT_WRITE);
	int i;

	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ), 0);
	KUNIT_EXPECT_EQ(test, pm->map.nr_mkwrites, 0);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_FALSE(test, is_writable(test_mm(test),
						     addr_of(&pm->map, i)));

	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_WRITE), 0);
	KUNIT_EXPECT_EQ(test, pm->map.nr_mkwrites, NR_PAGES);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_TRUE(test, is_writable(test_mm(test),
						    addr_of(&pm->map, i)));
	expect_populated(test, pm, NR_PAGES);
}

/* What mlock(), mlockall() and MAP_POPULATE come to. */
static void populate_mlock(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ | PROT_WRITE);

	KUNIT_EXPECT_EQ(test, __mm_populate(pm->map.addr, NR_PAGES * PAGE_SIZE,
					    0), 0);
	expect_populated(test, pm, NR_PAGES);
	KUNIT_EXPECT_EQ(test, pm->faults, NR_PAGES);
	KUNIT_EXPECT_EQ(test, pm->populates, 1);
}

static void populate_at_mmap(struct kunit *test)
{
	struct populate_map *pm = populate_map(test, &populate_vm_ops,
					       VM_PFNMAP);

	do_map(test, &pm->map, 0, NR_PAGES, PROT_READ,
	       MAP_SHARED | MAP_POPULATE);
	expect_populated(test, pm, NR_PAGES);
}

/* As it was: a driver that does not ask for it is left alone. */
static void populate_without_op(struct kunit *test)
{
	const vm_flags_t flags[] = { VM_IO, VM_PFNMAP, VM_IO | VM_PFNMAP };
	struct populate_map *pm;

	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		pm = populate_map(test, &pfn_vm_ops, flags[i]);
		do_map(test, &pm->map, 0, NR_PAGES, PROT_READ,
		       MAP_SHARED | MAP_POPULATE);
		KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, __mm_populate(pm->map.addr,
						    NR_PAGES * PAGE_SIZE, 0),
				0);
		KUNIT_EXPECT_EQ(test, pm->faults, 0);
		expect_populated(test, pm, 0);
	}
}

static void populate_without_right(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);
	struct populate_map *none = populate_mapped(test, &populate_vm_ops,
						    PROT_NONE);

	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_WRITE), -EINVAL);
	KUNIT_EXPECT_EQ(test, populate(none, MADV_POPULATE_READ), -EINVAL);
	KUNIT_EXPECT_EQ(test, pm->populates + none->populates, 0);
	expect_populated(test, pm, 0);
	expect_populated(test, none, 0);
}

/* GUP has no more to do with such a mapping than without ->populate. */
static void populate_is_not_pin(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);
	struct page *page = NULL;
	long ret;

	for (int i = 0; i < 2; i++) {
		mmap_read_lock(test_mm(test));
		ret = get_user_pages(pm->map.addr, 1, 0, &page);
		mmap_read_unlock(test_mm(test));
		KUNIT_EXPECT_EQ(test, ret, -EFAULT);
		KUNIT_EXPECT_EQ(test, pm->faults + pm->populates, 0);
	}
}

static void populate_op_fails(struct kunit *test)
{
	const int errors[] = { -ENOMEM, -EFAULT, -EINVAL, -EINTR };

	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		struct populate_map *pm = populate_mapped(test,
							  &populate_vm_ops,
							  PROT_READ);

		pm->ret = errors[i];
		KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ),
				errors[i]);
		KUNIT_EXPECT_EQ(test, __mm_populate(pm->map.addr,
						    NR_PAGES * PAGE_SIZE, 0),
				errors[i]);
		KUNIT_EXPECT_EQ(test, pm->faults, 0);
		expect_populated(test, pm, 0);
	}
}

/* What is there stays, the rest is an error. */
static void populate_beyond(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);

	pm->nr = 3;
	pm->beyond = VM_FAULT_SIGBUS;
	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ), -EFAULT);
	expect_populated(test, pm, 3);
	pm->beyond = VM_FAULT_OOM;
	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ), -ENOMEM);
	expect_populated(test, pm, 3);
}

static void populate_retry(struct kunit *test)
{
	const unsigned long some = BIT(0) | BIT(2) | BIT(3) | BIT(NR_PAGES - 1);
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);

	pm->retry = some;
	KUNIT_EXPECT_EQ(test, populate(pm, MADV_POPULATE_READ), 0);
	KUNIT_EXPECT_EQ(test, pm->retry, 0);
	KUNIT_EXPECT_GT(test, pm->populates, 1);
	expect_populated(test, pm, NR_PAGES);

	pm = populate_mapped(test, &populate_vm_ops, PROT_READ);
	pm->retry = some;
	KUNIT_EXPECT_EQ(test, __mm_populate(pm->map.addr, NR_PAGES * PAGE_SIZE,
					    0), 0);
	KUNIT_EXPECT_EQ(test, pm->retry, 0);
	expect_populated(test, pm, NR_PAGES);
}

static void populate_killed(struct kunit *test)
{
	struct populate_map *pm = populate_mapped(test, &populate_vm_ops,
						  PROT_READ);
	int ret;

	pm->kill_at = 3;
	ret = populate(pm, MADV_POPULATE_READ);
	set_killed(false);
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	KUNIT_EXPECT_EQ(test, pm->faults, 3);
	expect_populated(test, pm, 3);
}

/* Usermap pages that ->fault maps need nothing for it. */
static void populate_typed(struct kunit *test)
{
	struct block *block = alloc_block(test, SPLIT);
	const unsigned long len = NR_PAGES * PAGE_SIZE;
	struct mm_struct *mm = test_mm(test);
	struct fault_map *fm;
	int i;

	fm = fault_map(test, block->page, &insert_mkwrite_vm_ops, VM_MIXEDMAP,
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE);
	KUNIT_EXPECT_EQ(test, fm->calls, NR_PAGES);
	KUNIT_EXPECT_EQ(test, count_ptes(mm, fm->map.addr, NR_PAGES), NR_PAGES);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, 0);

	KUNIT_EXPECT_EQ(test, do_madvise(mm, fm->map.addr, len,
					 MADV_POPULATE_WRITE), 0);
	KUNIT_EXPECT_EQ(test, fm->map.nr_mkwrites, NR_PAGES);
	for (i = 0; i < NR_PAGES; i++) {
		KUNIT_EXPECT_TRUE(test, is_writable(mm, addr_of(&fm->map, i)));
		expect_maps_block(test, &fm->map, i, block, i);
	}
	KUNIT_EXPECT_EQ(test, fm->calls, NR_PAGES);
	expect_uncounted(test, 0);
}

static struct kunit_case usermap_populate_cases[] = {
	KUNIT_CASE(populate_read),
	KUNIT_CASE(populate_part),
	KUNIT_CASE(populate_two_vmas),
	KUNIT_CASE(populate_write),
	KUNIT_CASE(populate_mlock),
	KUNIT_CASE(populate_at_mmap),
	KUNIT_CASE(populate_without_op),
	KUNIT_CASE(populate_without_right),
	KUNIT_CASE(populate_is_not_pin),
	KUNIT_CASE(populate_op_fails),
	KUNIT_CASE(populate_beyond),
	KUNIT_CASE(populate_retry),
	KUNIT_CASE(populate_killed),
	KUNIT_CASE(populate_typed),
	{}
};

static struct kunit_suite usermap_populate_suite = {
	.name = "usermap_populate",
	.init = usermap_test_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_populate_cases,
};

kunit_test_suites(&usermap_type_suite, &usermap_map_suite,
		  &usermap_reject_suite, &usermap_cow_suite,
		  &usermap_remote_suite, &usermap_badinput_suite,
		  &usermap_fault_suite, &usermap_populate_suite);

/* Suite usermap_check: page_table_check knows what is mapped. */

#ifdef CONFIG_PAGE_TABLE_CHECK

static int usermap_check_init(struct kunit *test)
{
	if (static_key_enabled(&page_table_check_disabled))
		kunit_skip(test, "needs page_table_check=on");
	return usermap_test_init(test);
}

/* Bit i is set if page_table_check sees page i of @block mapped. */
static unsigned int special_pages(const struct block *block)
{
	unsigned int i, bits = 0;

	for (i = 0; i < NR_PAGES; i++) {
		struct page *page = block->page[i];

		if (page_table_check_special(page, 1) == page)
			bits |= BIT(i);
	}
	return bits;
}

#define ALL_PAGES	((unsigned int)BIT(NR_PAGES) - 1)

static void check_map(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map;

	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
	map = map_shared(test, block);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);

	KUNIT_EXPECT_EQ(test, vm_munmap(addr_of(map, 0), 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES & ~0x3);
	if (block_is_contig(block))
		KUNIT_EXPECT_PTR_EQ(test, page_table_check_special(block->page[0],
								   NR_PAGES),
				    block->page[2]);

	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
}

static void check_map_contig(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = block_to_map(test, block);

	map->form = CONTIG;
	do_map(test, map, 0, NR_PAGES, PROT_READ, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
}

/* A page that is mapped twice is mapped until both mappings are gone. */
static void check_map_twice(struct kunit *test)
{
	struct block *block = alloc_block(test, COMPOUND);
	struct map *one = map_shared(test, block);
	struct map *two = map_shared(test, block);

	KUNIT_EXPECT_EQ(test, vm_munmap(one->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);
	KUNIT_EXPECT_EQ(test, vm_munmap(two->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
}

/* What failed is not mapped. */
static void check_map_fails(struct kunit *test)
{
	struct block *typed = alloc_block(test, SINGLE);
	struct block *untyped = alloc_untyped(test, SINGLE);
	struct page *pages[] = {
		typed->page[0], typed->page[1], untyped->page[0],
	};
	struct map *map = alloc_map(test);

	map->pages = pages;
	map->nr = ARRAY_SIZE(pages);
	KUNIT_EXPECT_EQ(test, try_map(map, 0, NR_PAGES, PROT_READ, MAP_SHARED),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, special_pages(typed), 0);
	KUNIT_EXPECT_EQ(test, special_pages(untyped), 0);
}

/* No access is not the same as no mapping. */
static void check_prot_none(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	unsigned long end = addr_of(map, NR_PAGES);
	struct mm_struct *mm = test_mm(test);
	u32 word;

	KUNIT_EXPECT_EQ(test, do_mprotect(mm, map->addr, end, 0,
					  VM_READ | VM_WRITE), 0);
	KUNIT_EXPECT_EQ(test, user_read(map->addr, &word), -EFAULT);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);

	/* Nor is the end of access the end of the mapping. */
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES & ~0x1);

	KUNIT_EXPECT_EQ(test, do_mprotect(mm, addr_of(map, 1), end,
					  VM_READ | VM_WRITE, 0), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES & ~0x1);
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
}

static void check_fork_child(struct child *child)
{
	/* Some go here, the others when the child exits. */
	child->err = vm_munmap(child->addr, 2 * PAGE_SIZE);
}

static void check_fork(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	struct child child = {
		.fn = check_fork_child,
		.addr = map->addr,
		.err = -EINTR,
	};

	fork_and_wait(test, &child);
	KUNIT_EXPECT_EQ(test, child.err, 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
}

static void check_mremap(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	unsigned long len = NR_PAGES * PAGE_SIZE;
	struct mm_struct *mm = test_mm(test);

	mmap_write_lock(mm);
	KUNIT_EXPECT_EQ(test, relocate_vma_down(vma_lookup(mm, map->addr), len),
			0);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr - len, len), 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), 0);
}

/* The copy is another page, and an ordinary one. */
static void check_cow(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_private(test, block);
	struct page *copy;

	KUNIT_EXPECT_EQ(test, user_write(addr_of(map, 1), SOME_VALUE), 0);
	copy = normal_page(test_mm(test), addr_of(map, 1));
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_EXPECT_NULL(test, page_table_check_special(copy, 1));
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES & ~0x2);
}

/* Everybody has it mapped, and nobody frees it. */
static void check_zero_page_is_exempt(struct kunit *test)
{
	struct map *map = alloc_map(test);

	map->clear_flags = VM_MAYWRITE;
	check_zero_page(test, map, PROT_READ, MAP_SHARED);
	KUNIT_EXPECT_NULL(test, page_table_check_special(ZERO_PAGE(0), 1));
}

static void check_type_cleared_early(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	struct kunit_suppressed_warning *w;

	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, 7 * PAGE_SIZE), 0);
	w = expect_warnings(test);
	block_clear_type(block);
	check_warnings(test, w, 1);

	/* Let the end of the test clear it. */
	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	w = expect_warnings(test);
	block_set_type(block);
	check_warnings(test, w, 0);
}

static void check_type_set_late(struct kunit *test)
{
	struct block *block = alloc_untyped(test, COMPOUND);
	struct mm_struct *mm = test_mm(test);
	struct map *map = alloc_map(test);
	struct kunit_suppressed_warning *w;
	int ret;

	do_map(test, map, 0, NR_PAGES, PROT_READ, MAP_SHARED);
	mmap_write_lock(mm);
	ret = remap_pfn_range(vma_lookup(mm, map->addr), map->addr,
			      page_to_pfn(block->page[0]), NR_PAGES * PAGE_SIZE,
			      vm_get_page_prot(VM_READ | VM_SHARED));
	mmap_write_unlock(mm);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, special_pages(block), ALL_PAGES);

	w = expect_warnings(test);
	block_set_type(block);
	check_warnings(test, w, 1);
}

/* Nor is it silent that a mapped page is given to somebody. */
static void check_alloc(struct kunit *test)
{
	struct block *block = alloc_block(test, param_kind(test));
	struct map *map = map_shared(test, block);
	struct kunit_suppressed_warning *w;

	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, 7 * PAGE_SIZE), 0);
	w = expect_warnings(test);
	page_table_check_alloc(block->page[7], 0);
	check_warnings(test, w, 1);

	KUNIT_EXPECT_EQ(test, vm_munmap(map->addr, NR_PAGES * PAGE_SIZE), 0);
	w = expect_warnings(test);
	page_table_check_alloc(block->page[7], 0);
	check_warnings(test, w, 0);
}

/* A PTE that is cleared without having been set is no mapping. */
static void check_clear_unset(struct kunit *test)
{
	struct page *page = alloc_block(test, COMPOUND)->page[1];
	pte_t pte = pfn_pte(page_to_pfn(page), vm_get_page_prot(VM_READ));
	struct kunit_suppressed_warning *w = expect_warnings(test);
	struct mm_struct *mm = test_mm(test);
	pte_t none = __pte(0);

	pte = pte_mkspecial(pte);
	page_table_check_pte_clear(mm, PAGE_SIZE, pte);
	check_warnings(test, w, 1);
	KUNIT_EXPECT_NULL(test, page_table_check_special(page, 1));

	/* Let the end of the test free it. */
	page_table_check_ptes_set(mm, PAGE_SIZE, &none, pte, 1);
	KUNIT_EXPECT_NULL(test, page_table_check_special(page, 1));
}

static struct kunit_case usermap_check_cases[] = {
	KUNIT_CASE_PARAM(check_map, all_kinds_gen_params),
	KUNIT_CASE_PARAM(check_map_contig, contig_kinds_gen_params),
	KUNIT_CASE(check_map_twice),
	KUNIT_CASE(check_map_fails),
	KUNIT_CASE_PARAM(check_prot_none, all_kinds_gen_params),
	KUNIT_CASE_PARAM(check_fork, all_kinds_gen_params),
	KUNIT_CASE_PARAM(check_mremap, all_kinds_gen_params),
	KUNIT_CASE_PARAM(check_cow, all_kinds_gen_params),
	KUNIT_CASE(check_zero_page_is_exempt),
	KUNIT_CASE_PARAM(check_type_cleared_early, all_kinds_gen_params),
	KUNIT_CASE(check_type_set_late),
	KUNIT_CASE_PARAM(check_alloc, all_kinds_gen_params),
	KUNIT_CASE(check_clear_unset),
	{}
};

static struct kunit_suite usermap_check_suite = {
	.name = "usermap_check",
	.init = usermap_check_init,
	.exit = usermap_test_exit,
	.test_cases = usermap_check_cases,
};

kunit_test_suite(usermap_check_suite);

#endif /* CONFIG_PAGE_TABLE_CHECK */

MODULE_DESCRIPTION("KUnit tests of kernel pages in user mappings");
MODULE_LICENSE("GPL");
