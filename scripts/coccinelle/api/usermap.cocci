// SPDX-License-Identifier: GPL-2.0-only
///
/// Map kernel allocations into user space with the usermap page type and
/// vm_insert_pages_prot() instead of refcounted or PFN mappings. Converts a
/// mapping only if the allocation, the mapping and the freeing are in one file
/// and no reference of a page table keeps the memory; says for every other
/// mapping what it maps and what stands in the way.
/// See Documentation/mm/usermap_conversion.rst.
///
//  Confidence: Moderate
//  Options: --no-includes
//  Keywords: usermap vm_insert_page remap_pfn_range remap_vmalloc_range fault
//  Comment: SmPL collects what a file does, Python decides, SmPL rewrites. The
//  Comment: analysis goes by the names of variables and struct members, and
//  Comment: knows no paths: check each result.

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@
import re

PAGES = re.compile(r"(alloc_pages?(_node|_noprof)?|__get_free_pages?|"
                   r"get_zeroed_page|alloc_pages_exact(_nid)?)$")
VMALLOC = re.compile(r"v[mz]alloc(_(user|32|32_user|node))?$")
FREE = re.compile(r"(__)?free_pages?$|free_pages_exact$|vfree$")

# What else a mapping can show; the first that matches is said.
OTHER = [(re.compile(pattern), text) for pattern, text in (
    (r"(dmam?_(alloc|pool)|usb_alloc_coherent|hcd_buffer_alloc|"
     r"gen_pool_dma|snd_dma)", "memory of the DMA API"),
    (r"(k|kv|devm_k)[mzc]?alloc|kmem_cache|kmemdup|kstrdup|kvmemdup|devm_kmem",
     "slab memory"),
    (r"(devm_)?(pci_)?(ioremap|iomap|ioport)|pci_resource|platform_get_res|"
     r"of_iomap|memremap|devm_memremap|pci_iobar|resource_start|"
     r"virt_to_mfn|gen_pool_alloc|kfd_get_process_doorbell", "device memory"),
    (r"shmem_|find_or_create_page|find_get_page|find_lock|grab_cache|filemap|"
     r"drm_gem_get_pages|folio|read_cache|read_mapping", "page cache folios"),
    (r"(pin|get)_user_page", "pages of user space"),
    (r"cma_alloc|dma_alloc_from", "CMA memory"),
    (r"devm_get_free_pages", "freed by the driver core at unbind"),
    (r"alloc_percpu|__alloc_percpu", "per-CPU memory"),
    (r"ZERO_PAGE|__pa_symbol|lm_alias|__phys_addr_symbol", "the kernel image"),
    (r"alloc_pages_bulk|vmap|alloc_huge|vmalloc_huge|folio_alloc",
     "memory from %s(), which the script does not follow"),
)]

# Expressions about the same memory as their first argument.
SAME = re.compile(r"(virt_to_(page|phys|pfn|head_page)|__pa|__va|phys_to_virt|"
                  r"page_(address|to_pfn|to_phys|to_virt)|pfn_to_page|"
                  r"vmalloc_to_(page|pfn)|PFN_(DOWN|PHYS|UP)|PHYS_PFN|nth_page|"
                  r"compound_head|READ_ONCE|WRITE_ONCE|rcu_dereference\w*|"
                  r"PTR_ALIGN|PAGE_ALIGN|smp_load_acquire|unlikely|likely|"
                  r"pfn_to_kaddr|kmap|kmap_local_page|__phys_to_pfn|"
                  r"phys_to_page|per_cpu_ptr|this_cpu_ptr|array_index_nospec|"
                  r"lower_32_bits|untagged_addr)$")
NOTHING = re.compile(r"(ERR_PTR|PTR_ERR\w*|IS_ERR\w*|sizeof|min|max|min_t|max_t|"
                     r"get_order|copy_\w+_user|container_of|list_\w+|to_\w+)$")

# Callbacks that nothing runs while a file, which the VMA pins, is open.
LAST = {("file_operations", "release"), ("dma_buf_ops", "release"),
        ("fb_ops", "fb_destroy"), ("snd_info_entry_ops", "release"),
        ("proc_ops", "proc_release")}

# Nothing of the kind can be seen in a source file: who calls GUP, and on what.
PINNED = [(re.compile(path), who) for path, who in (
    (r"drivers/media/common/videobuf2/|drivers/media/pci/intel/ipu6/|"
     r"drivers/staging/media/ipu7/", "V4L2 buffers are USERPTR of other devices"),
    (r"net/packet/af_packet\.c", "a packet ring is a buffer for O_DIRECT writes"),
    (r"net/ipv4/tcp\.c", "the pages belong to socket buffers and the page pool, "
     "and zerocopy receive hands their references to the mapping"),
    (r"drivers/android/", "the shrinker takes pages from processes by their "
     "mapping, and the pages move between both"),
    (r"drivers/xen/gntdev", "backends do direct I/O on grants"),
    (r"drivers/target/target_core_user", "tcmu-runner does direct I/O on the "
     "data area"),
    (r"drivers/vdpa/vdpa_user/", "the device process does direct I/O on the "
     "bounce buffer"),
    (r"drivers/iommu/|arch/arm/mm/dma-mapping|kernel/dma/", "the DMA API maps "
     "for all drivers, also for buffers that user space does I/O on"),
    (r"drivers/pci/p2pdma", "peer-to-peer memory is mapped to be pinned"),
    (r"samples/vfio-mdev/|drivers/vfio/", "KVM pins what a VFIO device maps"),
)]

IO = re.compile(r"io_remap_pfn_range|vm_iomap_memory|remap_4k_pfn|"
                r"mmap_action_(simple_)?ioremap\w*|rdma_user_mmap_io")
DMA = re.compile(r"dma_mmap_\w+")

def tokens(text):
    return re.findall(r'"[^"]*"|->|<<|>>|&&|\|\||[<>=!]=|\w+|\S', text)

def close(tok, at):
    """The index of what closes the bracket at AT."""
    depth = 0
    for i in range(at, len(tok)):
        depth += tok[i] in "([{"
        depth -= tok[i] in ")]}"
        if depth == 0:
            return i
    return len(tok) - 1

def split(text):
    """The arguments in an argument list."""
    found, depth, part = [], 0, []
    for t in tokens(str(text)):
        depth += t in "([{"
        depth -= t in ")]}"
        if t == "," and depth == 0:
            found.append(" ".join(part))
            part = []
        else:
            part.append(t)
    return found + [" ".join(part)] if part or found else []

def is_type(tok):
    return bool(tok) and (tok[-1] == "*" or tok[0] in ("struct", "unsigned",
           "const", "void", "char", "long", "int", "u8", "u32", "u64",
           "uintptr_t", "dma_addr_t", "phys_addr_t", "size_t", "ulong"))

def compact(text):
    return re.sub(r"\s+", "", text)

class File:
    """What a file does, as far as it matters here."""

    def __init__(self, name):
        self.name = name
        self.assigned, self.calls, self.returns = [], [], []
        self.ops, self.params, self.allocs, self.frees = [], {}, [], []
        self.sites, self.counted, self.busy, self.raised = {}, set(), set(), []
        self.guarded, self.undone = set(), set()
        self.parent, self.members, self.done = {}, {}, None
        self.call_keys, self.op_keys = [], []
        try:
            with open(name, errors="replace") as source:
                self.lines = source.read().split("\n")
        except OSError:
            self.lines = []
        self.arrays = set(re.findall(r"(?m)^(?:static |const |unsigned |struct |u8 |char )"
                                     r"[^()=;\n]*?(\w+)\[", "\n".join(self.lines)))
        self.statics = set(re.findall(r"(?m)^(?:static |const |struct )[^();\n]*?"
                                      r"(\w+)(?:\[[^\]]*\])?\s*(?:=|;)",
                                      "\n".join(self.lines)))

    # Memory is a name: F:member, G:global, L:function:local, R:function for
    # what a function returns. Names that are assigned to each other are one.

    def find(self, name):
        while self.parent.get(name, name) != name:
            name = self.parent[name]
        return name

    def same(self, a, b):
        if a and b and self.find(a) != self.find(b):
            self.parent[self.find(a)] = self.find(b)
            if a.count("[]") + b.count("[]") < 4:
                self.same(a + "[]", b + "[]")

    def node(self, text, fn):
        """The name of the memory that an expression is about, or the function
        outside of this file that it comes from, or None."""
        tok = tokens(text)
        while tok:
            if tok[0] == "(":
                end = close(tok, 0)
                if end == len(tok) - 1:
                    tok = tok[1:end]
                    continue
                if is_type(tok[1:end]) and tok[end + 1] not in ("->", ".", "["):
                    tok = tok[end + 1:]
                    continue
            depth, cut = 0, None
            for i, t in enumerate(tok):
                depth += t in "([{"
                depth -= t in ")]}"
                if depth == 0 and t == "?":
                    return self.node(" ".join(tok[i + 1:]).split(":")[0], fn)
                if (depth == 0 and i and cut is None and
                        t in ("+", "-", "<<", ">>", "/", "|", "&", "*", "%")):
                    cut = i
            if cut:
                tok = tok[:cut]
                continue
            if tok[0] == "*":
                inner = self.node(" ".join(tok[1:]), fn)
                if tok[1:] and tok[1].endswith("_cpu_ptr"):
                    return inner
                return inner and inner + "[]"
            if tok[0] == "&":
                inner = self.node(" ".join(tok[1:]), fn)
                return inner[:-2] if inner and inner.endswith("[]") else inner
            break
        if not tok or re.match(r"[\d\"!~-]|NULL$|[A-Z_0-9]+$", tok[0]) and \
           len(tok) == 1:
            return None
        name, i = None, 0
        if tok[0] == "(":
            i = close(tok, 0) + 1
            name = self.node(" ".join(tok[1:i - 1]), fn)
        elif len(tok) > 1 and tok[1] == "(":
            end = close(tok, 1)
            args = split(" ".join(tok[2:end]))
            i = end + 1
            if SAME.match(tok[0]):
                name = self.node(args[0], fn) if args else None
            elif tok[0] == "vmap":
                name = self.node(args[0], fn)
                name = name and name + "[]"
            elif tok[0] in ("sg_page", "sg_set_page"):
                name = "F:sg_page"
            elif tok[0] in self.params:
                name = "R:" + tok[0]
            elif NOTHING.match(tok[0]):
                name = None
            else:
                name = "S:" + tok[0]
        else:
            local = tok[0] not in self.statics
            name = f"L:{fn}:{tok[0]}" if local else "G:" + tok[0]
            i = 1
        while i < len(tok):
            if tok[i] in ("->", ".") and i + 1 < len(tok):
                name = "F:" + tok[i + 1]
                i += 2
            elif tok[i] == "[":
                i = close(tok, i) + 1
                name = name and name + "[]"
            else:
                break
        return name

    def flow(self, to, text, fn):
        """TO is what TEXT says."""
        node = self.node(text, fn)
        if to and node and node.startswith("S:"):
            self.sources.append((to, node[2:].rstrip("[]")))
        else:
            self.same(to, node)

    def solve(self):
        self.sources = []
        for lhs, rhs, fn, _ in self.assigned:
            self.flow(self.node(lhs, fn), rhs, fn)
        for text, fn in self.returns:
            self.flow("R:" + fn, text, fn)
        for name, args, fn, _ in self.calls:
            for param, arg in zip(self.params.get(name, ()), args):
                self.flow(f"L:{name}:{param}", arg, fn)
            if name == "sg_set_page" and len(args) > 1:
                self.flow("F:sg_page", args[1], fn)
        for name, args, fn, line in self.calls:
            inner = re.search(r"; (vfree|(?:__)?free_pages?|free_pages_exact) "
                              r"\( (.*?) [,)]", " ".join(args))
            if inner and name not in self.params:
                self.frees.append({"arg": inner[2], "name": inner[1], "fn": fn,
                                   "line": line, "key": None, "editable": False})
            if name in ("refcount_inc", "atomic_inc", "kref_get") and args:
                self.raised.append((fn, compact(args[0]).lstrip("&")))
        for to, name in self.sources:
            self.members.setdefault(self.find(to), set()).add(name)

    # The lifetime.

    def after_return(self, fn, line):
        """Whether only a goto leads to this line of a function."""
        label = False
        for number in range(line - 1, 0, -1):
            text = self.lines[number - 1]
            if text[:1] == "{":
                return False
            label |= bool(re.match(r" ?\w+:\s*$", text))
            if label and re.match(r"\t(return\b.*;|goto \w+;)", text):
                return True
        return False

    def allocates(self, fn, cls, seen=()):
        """Whether FN, or what it calls, allocates this memory."""
        return fn not in seen and (
            any(a["fn"] == fn and a["class"] == cls for a in self.allocs) or
            any(self.allocates(name, cls, (*seen, fn))
                for name, _, caller, _ in self.calls
                if caller == fn and name in self.params))

    def in_loop(self, line):
        """Whether a loop is around a line, as far as the indentation says."""
        depth = None
        for text in reversed(self.lines[:line]):
            if text[:1] == "{":
                return False
            if not text.strip() or re.match(r" ?\w+:", text):
                continue
            indent = len(text.expandtabs()) - len(text.expandtabs().lstrip())
            if depth is not None and indent >= depth:
                continue
            if depth is not None and re.match(r"\s*(\} )?(for|while|do|\w*for_each\w*)\b",
                                              text):
                return True
            depth = indent
        return False

    def releases(self, fn, cls, seen=()):
        """Whether FN, or what it calls, frees this memory."""
        return fn not in seen and (
            any(f["fn"] == fn and f["class"] == cls for f in self.frees) or
            any(self.releases(name, cls, (*seen, fn))
                for name, _, caller, _ in self.calls
                if caller == fn and name in self.params))

    def undoes(self, site, line):
        """Whether the function of a site frees the memory behind it."""
        fn, cls = site["fn"], site["class"]
        return (any(f["fn"] == fn and f["class"] == cls and f["line"] > line
                    for f in self.frees) or
                any(caller == fn and where > line and name in self.params and
                    self.releases(name, cls)
                    for name, _, caller, where in self.calls))

    def callers(self, fn):
        """(caller, line, counted, through) of a function; THROUGH is what it is
        handed to as a callback, if it is not called by name."""
        for name, args, caller, line in self.calls:
            if name == fn:
                yield caller, line, (caller, line) in self.counted, None
            elif fn in args or "& " + fn in args or "&" + fn in args:
                yield caller, line, "kref_put" in name, name

    def entries(self, fn, seen=()):
        """The callbacks, as (struct, member), from which FN is reached."""
        found = {(t, m, s) for t, s, m, g in self.ops if g == fn}
        for lhs, rhs, _, _ in self.assigned:
            if compact(rhs).lstrip("&") == fn:
                owner = re.split(r"->|\.", compact(lhs))
                found.add(("", owner[-1], compact(lhs)))
        for caller, _, _, _ in self.callers(fn):
            if caller not in seen and caller != fn:
                found |= self.entries(caller, (*seen, fn))
        return found

    def is_busy(self, p, member):
        """A call where MEMBER, which the ->open of the VMA raises, is tested."""
        if any(fn in [g for t, _, e, g in self.ops
                      if t == "vm_operations_struct" and e == "open"] and
               counter.endswith("->" + member) for fn, counter in self.raised):
            self.busy.add((p.current_element, int(p.line)))

    def is_last(self, entry):
        struct, member, name = entry
        calls = {call[0] for call in self.calls}
        if member == "release" and not struct:
            return "cdev_device_add" in calls      # the open file pins it
        if member == "private_free":
            return self.name.find("sound/") >= 0   # after the last file
        if (struct, member) == ("drm_gem_object_funcs", "free"):
            return any(g == "drm_gem_vm_open" for _, _, _, g in self.ops)
        return (struct, member) in LAST

    def is_counted_close(self, entry):
        """A ->close with an ->open that raises the count."""
        struct, member, name = entry
        opens = [g for t, s, m, g in self.ops if s == name and m == "open"]
        return (struct == "vm_operations_struct" and member == "close" and
                any(fn in opens for fn, _ in self.raised))

    def holds(self, fn):
        """Whether the file, or each VMA, holds what FN drops."""
        return any(self.is_last(e) or self.is_counted_close(e)
                   for e in self.entries(fn))

    def early(self, fn, cls, seen=()):
        """From where FN, which frees the memory, runs while it is mapped."""
        for struct, name, member, g in self.ops:
            if g != fn or self.is_last((struct, member, name)):
                continue
            return f"{fn}(), the {member} callback, frees it"
        static = any(re.match(rf"static\b.*\b{fn}\(", line)
                     for line in self.lines)
        found = False
        for lhs, rhs, _, _ in self.assigned:
            if compact(rhs).lstrip("&") == fn:
                found = True
                member = re.split(r"->|\.", compact(lhs))[-1]
                if not self.is_last(("", member, "")):
                    return f"{fn}(), the {member} callback, frees it"
        callers = list(self.callers(fn))
        held = any(counted and self.holds(caller)
                   for caller, _, counted, _ in callers)
        for caller, line, counted, through in callers:
            found = True
            if caller in seen or caller == fn or (counted and held):
                continue
            if through and not re.search(r"kref_put|call_rcu", through):
                return f"{fn}() frees it as a callback of {through}()"
            if (caller, line) in self.busy | self.undone:
                continue
            if (self.allocates(caller, cls) and
                    (self.after_return(caller, line) or
                     any(m in ("mmap", "open") for _, m, _ in
                         self.own_entries(caller)))):
                continue
            why = self.early(caller, cls, (*seen, fn))
            if why:
                return why
        if not found and not any(g == fn for _, _, _, g in self.ops):
            return (f"{fn}() frees it, and nothing here says when that runs"
                    if static else
                    f"{fn}() frees it when another file says so")
        return None

    def own_entries(self, fn):
        return {(t, m, s) for t, s, m, g in self.ops if g == fn}

    def lifetime(self, cls, api):
        frees = [f for f in self.frees if f["class"] == cls]
        never = "nothing in this file frees the memory"
        for free in frees:
            if not free["editable"]:
                return (f"the call of {free['name']}() is not a statement of "
                        "its own")
            undo = [a for a in self.allocs if a["class"] == cls and
                    a["fn"] == free["fn"] and a["line"] < free["line"] and
                    a["node"] == self.node(free["arg"], free["fn"])]
            if undo or (self.allocates(free["fn"], cls) and
                        self.after_return(free["fn"], free["line"])):
                continue
            here = (free["fn"], free["line"])
            if here in self.undone:
                continue
            never = None
            if here in self.busy:
                continue
            if here in self.counted and self.holds(free["fn"]):
                continue
            if undo == [] and self.allocates(free["fn"], cls):
                return (f"{free['fn']}() replaces the memory, and does not look "
                        "whether the old is mapped")
            why = self.early(free["fn"], cls)
            if why:
                return why + (": nothing keeps it while it is mapped"
                              if "pfn" in api else
                              ": the reference of the page table keeps it today")
        return never

    # The verdict.

    def provenance(self, text, fn):
        """(class, what stands in the way)"""
        node = self.node(text, fn)
        if node is None:
            return None, "the page does not come from an allocation"
        if node.startswith("S:"):
            return None, self.foreign(node[2:].rstrip("[]"), True)
        if node.startswith("G:") and node[2:] in self.arrays:
            return None, "the memory is the kernel image"
        cls = self.find(node)
        names = self.members.get(cls, set())
        ours = {n for n in names if PAGES.match(n) or VMALLOC.match(n)}
        for pattern, text_ in OTHER:
            for name in sorted(names - ours):
                if pattern.match(name):
                    text_ = text_ % name if "%s" in text_ else text_
                    more = "may also be " if ours else "the memory is "
                    return cls, f"{more}{text_}"
        others = sorted(names - ours)
        if not ours:
            return cls, (self.foreign(others[0], True) if others else
                         "the memory is not allocated in this file")
        if others:
            return cls, f"may also be what {others[0]}() returns"
        if any(VMALLOC.match(n) for n in ours) and \
           any(PAGES.match(n) for n in ours):
            return cls, "may be vmalloc() memory or pages"
        return cls, None

    def foreign(self, name, only):
        for pattern, text in OTHER:
            if pattern.match(name):
                return "the memory is " + (text % name if "%s" in text else text)
        return f"the memory comes from {name}(), which is not in this file"

    def decide(self, site, line):
        api, args, fn = site["api"], site["args"], site["fn"]
        if IO.match(api):
            return "kept", "device memory"
        if DMA.match(api):
            return "kept", "memory of the DMA API, which knows how to map it"
        for path, who in PINNED:
            if path.search(self.name):
                return "reported", f"user space pins it: {who}"
        memory = site["memory"]
        if memory is None:
            return "reported", f"{api}() is not one of the calls that the " \
                               "script converts"
        cls, why = self.provenance(memory, fn)
        site["class"] = cls
        raw = compact(memory)
        if re.match(r"(vma->vm_pgoff|vma_start_pgoff|desc->pgoff)", raw):
            return "kept", "physical memory that user space chooses"
        if why:
            kept = re.search(r"is (memory of the DMA|slab|device|page cache|"
                             r"pages of user|CMA|the kernel image)", why)
            return "kept" if kept else "reported", why
        called = {c[0] for c in self.calls}
        if any(name in ("vm_flags_set", "vm_flags_init", "vm_flags_reset",
                        "vm_flags_mod") and "VM_PFNMAP" in tokens(args[1])
               for name, args, _, _ in self.calls if len(args) > 1):
            return "reported", "the driver sets VM_PFNMAP"
        tables = [s for t, s, m, g in self.ops if m == "fault" and g == fn]
        for _, table, member, _ in self.ops:
            if table in tables and member in ("page_mkwrite", "map_pages"):
                return "reported", (f"->{member} is never called for usermap "
                                    "pages")
        if "fb_deferred_io_mmap" in called:
            return "reported", ("fb_deferred_io_mmap() maps the same memory, "
                                "with references")
        if re.match(r"vmf_insert", api):
            return "reported", (f"{api}() maps it by its PFN; "
                                "vmf_insert_usermap_page() is for ->fault that "
                                "maps nothing else")
        for name, puts, where, _ in self.calls:
            if name == "put_page" and where == fn and puts and \
               self.find(self.node(puts[0], fn) or "?") == cls:
                return "reported", (f"{fn}() drops its reference: the page "
                                    "lives as long as the mapping")
        kind = "vmalloc" if any(VMALLOC.match(n) for n in self.members[cls]) \
            else "pages"
        if api.startswith("remap_vmalloc_range") and kind == "pages":
            return "reported", "vmap() of pages: map the pages, which the " \
                               "script does not find"
        why = self.lifetime(cls, api)
        if why:
            return "reported", why
        if self.in_loop(line) and self.undoes(site, line):
            return "reported", ("a call that fails leaves the mappings of those "
                                f"before it, and {fn}() then frees the memory")
        for alloc in self.allocs:
            if alloc["class"] == cls and not alloc["checked"]:
                return "reported", (f"the script does not see where {alloc['fn']}"
                                    f"() checks what {alloc['name']}() returns")
        if api == "remap_pfn_range":
            if len(args) < 5 or compact(args[4]) != compact(args[0]) + "->vm_page_prot":
                return "reported", (f"the protection is {args[-1]}, not that of "
                                    "the VMA")
        # pgprot_decrypted() is what the kernel has where it is not the identity
        # for memory of this kind, or else user space sees noise, as before.
        if any(compact(lhs).endswith("->vm_page_prot") and f == fn and
               compact(rhs) != f"pgprot_decrypted({compact(lhs)})"
               for lhs, rhs, f, _ in self.assigned):
            return "reported", "the mapping has other attributes than the " \
                               "kernel's: vm_page_prot is changed"
        if api == "remap_vmalloc_range_partial":
            return "reported", "one VMA shows several objects"
        if not site["editable"]:
            return "reported", ("the script does not know this form of "
                                f"{api}()")
        return "converted", self.life(cls)

    def life(self, cls):
        """Who allocates converted memory, and what its freeing waits for."""
        made = {f"{a['name']}() in {a['fn']}()" for a in self.allocs
                if a["class"] == cls}
        gone, ends = set(), set()
        for free in self.frees:
            if free["class"] != cls:
                continue
            calls = [(caller, line) for caller, line, _, _ in
                     self.callers(free["fn"])]
            if self.busy & {(free["fn"], free["line"]), *calls}:
                ends.add("an ioctl that a VMA forbids")
            for entry in self.entries(free["fn"]):
                if self.is_counted_close(entry):
                    ends.add("the last ->close of the VMAs")
                elif self.is_last(entry):
                    ends.add(f"->{entry[1]} of {entry[0] or 'the device'}")
                else:
                    continue
                gone.add(free["fn"] + "()")
        return (f"{', '.join(sorted(made))}; freed in {', '.join(sorted(gone))} "
                f"by {', '.join(sorted(ends))}")

    def verdicts(self):
        if self.done is not None:
            return self.done
        self.solve()
        for record in self.allocs + self.frees:
            record["node"] = self.node(record["arg"], record["fn"])
            record["class"] = self.find(record["node"] or "?")
        self.done = {}
        for key, site in self.sites.items():
            site["class"] = None
            self.done[key] = self.decide(site, int(key[0]))
        # A VMA, and memory, is mapped in one way or in the other.
        again = True
        while again:
            again = False
            for key, site in self.sites.items():
                if self.done[key][0] != "converted":
                    continue
                for other, o in self.sites.items():
                    if self.done[other][0] == "converted":
                        continue
                    if o["fn"] == site["fn"]:
                        self.done[key] = ("reported", "the same VMA can have a "
                                          f"mapping by {o['api']}()")
                    elif o["class"] and o["class"] == site["class"]:
                        self.done[key] = ("reported", "the same memory is also "
                                          f"mapped by {o['api']}() in "
                                          f"{o['fn']}()")
                    else:
                        continue
                    again = True
        # Text that the rules below would find elsewhere, too.
        return self.done

    def message(self, where):
        verdict, reason = self.verdicts()[where]
        api = self.sites[where]["api"]
        return f"{api}: {verdict}" + (f": {reason}" if reason else "")

    def is_cast(self, x, p):
        return any(lhs == x and line == int(p.line) and rhs.startswith("(")
                   for lhs, rhs, _, line in self.assigned)

    def own_fault(self, p):
        return [g for (t, s, m, g), k in zip(self.ops, self.op_keys)
                if k == key(p) and m == "fault"]

    def may_be_null(self, free):
        """Whether a free takes NULL and may get it."""
        return not (free["name"].startswith("__") or
                    (free["fn"], free["line"]) in self.guarded or
                    any(a["fn"] == free["fn"] and a["arg"] == free["arg"]
                        for a in self.allocs))

    def converted(self, text, fn):
        """The class of a converted mapping that an expression is about."""
        good = {s["class"] for k, s in self.sites.items()
                if self.verdicts()[k][0] == "converted"}
        node = self.node(text, fn)
        return node and self.find(node) in good

files = {}

def here(p):
    if p.file not in files:
        files[p.file] = File(p.file)
    return files[p.file]

def key(p):
    return (p.line, p.column)

MEMORY = {"vm_insert_page": 2, "vm_insert_pages": 2, "vm_map_pages": 1,
          "vm_map_pages_zero": 1, "remap_pfn_range": 2,
          "remap_vmalloc_range": 1, "remap_vmalloc_range_partial": 2,
          "vmf_insert_pfn": 2, "vmf_insert_pfn_prot": 2, "vmf_insert_mixed": 2,
          "vmf_insert_mixed_mkwrite": 2, "vmf_insert_pfn_pmd": 1,
          "vmf_insert_pfn_pud": 1, "vmf_insert_page_mkwrite": 1,
          "mmap_action_remap": 2, "mmap_action_remap_full": 1,
          "vmf_insert_page": 2, "vmf_insert_folio_pmd": 1, "vmf_insert_folio_pud": 1}
ARRAYS = ("vm_insert_pages", "vm_map_pages", "vm_map_pages_zero")

def add_site(p, api, args):
    memory = None
    if api == "vmf->page":
        memory = args[0]
    elif api in MEMORY and len(args) > MEMORY[api]:
        memory = args[MEMORY[api]]
        if api in ARRAYS:
            memory = (memory[1:] if memory.startswith("&")
                      else f"({memory})[0]")
    here(p).sites[key(p)] = {"api": api, "args": args, "memory": memory,
                             "fn": p.current_element, "editable": False}

def converts(p):
    file = here(p[0])
    return file.verdicts().get(key(p[0]), ("",))[0] == "converted"

def converts_fault(p):
    file = here(p[0])
    return any(verdict == "converted" and file.sites[k]["fn"] in
               file.own_fault(p[0]) for k, (verdict, _) in
               file.verdicts().items())

def converts_alloc(p):
    file = here(p[0])
    return any(a["key"] == key(p[0]) and file.converted(a["arg"], a["fn"])
               for a in file.allocs)

def converts_free(p, may_be_null):
    file = here(p[0])
    return any(f["key"] == key(p[0]) and file.converted(f["arg"], f["fn"]) and
               file.may_be_null(f) == may_be_null for f in file.frees)

def converts_call(p):
    file = here(p[0])
    return any(k == key(p[0]) and file.converted(args[0], fn)
               for (_, args, fn, _), k in zip(file.calls, file.call_keys))

def bare(arg):
    """An address without the cast for free_pages()."""
    return re.sub(r"^\( ?unsigned long ?\) ?", "", arg)

def first(call, arg):
    """The page that a call about ARG begins with."""
    arg = arg.strip()
    if re.match(r"__free_pages?$|alloc_pages?(_node)?$", call):
        return arg
    if bare(arg) == arg and re.match(r"free_pages?$|__get_free_pages?$|get_zeroed",
                                call):
        return f"virt_to_page((void *){arg})"
    return f"virt_to_page({bare(arg)})"

def number(call, args):
    """The number of pages that a call about ARGS is about."""
    if re.match(r"(__)?free_page$|alloc_page$|get_zeroed_page$|__get_free_page$",
                call):
        return "1"
    if call == "alloc_pages_exact":
        return f"PFN_UP({args[0]})"
    if call == "free_pages_exact":
        return f"PFN_UP({args[1]})"
    order = args[{"alloc_pages_node": 2}.get(call, 1)]
    return "1" if order == "0" else f"1 << {order}"

def set_call(call, x, args, cast):
    if VMALLOC.match(call):
        return f"usermap_set_vmalloc({x})"
    if cast:
        return f"usermap_set_pages(virt_to_page({x}), {number(call, args)})"
    return f"usermap_set_pages({first(call, x)}, {number(call, args)})"

def page_of(pfn):
    """The page, from what remap_pfn_range() gets."""
    for pattern, page in (
            (r"page_to_pfn \( (.*) \)$", "%s"),
            (r"vmalloc_to_pfn \( (.*) \)$", "vmalloc_to_page(%s)"),
            (r"(?:virt_to_phys|__pa) \( (.*) \) >> PAGE_SHIFT$",
             "virt_to_page(%s)"),
            (r"PFN_DOWN \( (?:virt_to_phys|__pa) \( (.*) \) \)$",
             "virt_to_page(%s)")):
        found = re.match(pattern, pfn)
        if found and close(["(", *tokens(found[1]), ")"], 0) == \
           len(tokens(found[1])) + 1:
            return page % found[1]
    return f"pfn_to_page({pfn})"

def pages_in(size, vma):
    if size == "PAGE_SIZE":
        return "1"
    if compact(size) == f"{vma}->vm_end-{vma}->vm_start":
        return f"vma_pages({vma})"
    return f"PFN_UP({size})"

# What the old call sets in the VMA, and the new one does not.
FLAGS = {"remap_pfn_range": "VM_IO | VM_DONTEXPAND | VM_DONTDUMP",
         "remap_vmalloc_range": "VM_DONTEXPAND | VM_DONTDUMP"}

def map_call(api, args):
    vma = args[0]
    prot = f"{vma}->vm_page_prot"
    if api == "vm_insert_page":
        return f"vm_insert_contig_pages_prot({vma}, {args[1]}, {args[2]}, 1, {prot})"
    if api == "remap_pfn_range":
        return (f"vm_insert_contig_pages_prot({vma}, {args[1]}, "
                f"{page_of(args[2])}, {pages_in(args[3], vma)}, {prot})")
    if api == "remap_vmalloc_range":
        return (f"vm_insert_vmalloc_prot({vma}, {vma}->vm_start, {args[1]}, "
                f"{args[2]}, vma_pages({vma}), {prot})")
    off = ""
    if api == "vm_map_pages":
        off = f" + {vma}->vm_pgoff"
    return (f"vm_insert_pages_prot({vma}, {vma}->vm_start, {args[1]}{off}, "
            f"vma_pages({vma}), {prot})")

def enough(api, args):
    """When vm_map_pages() does not say that there are too few pages."""
    vma, num = args[0], args[2]
    if api == "vm_map_pages_zero":
        return f"vma_pages({vma}) <= {num}"
    return (f"{vma}->vm_pgoff < {num} && "
            f"vma_pages({vma}) <= {num} - {vma}->vm_pgoff")

def clear_call(call, args):
    if call == "vfree":
        return f"usermap_clear_vmalloc({args[0]})"
    return f"usermap_clear_pages({first(call, args[0])}, {number(call, args)})"

//----------------------------------------------------------
//  What the file does
//----------------------------------------------------------

@site@
identifier f =~ "^(vm_insert_pages?|vm_map_pages(_zero)?|(io_)?remap_pfn_range|remap_4k_pfn|remap_vmalloc_range(_partial)?|vmf_insert_(pfn|mixed|page|folio).*|dma_mmap_(coherent|attrs|wc|pages|noncontiguous)|vm_iomap_memory|mmap_action_.*|rdma_user_mmap_io|remap_oldmem_pfn_range|_install_special_mapping)$";
expression list es;
position p;
@@

f@p(es)

@script:python@
p << site.p;
f << site.f;
es << site.es;
@@

add_site(p[0], f, split(es))

// For device memory and the DMA API the call says all.
@matter@
identifier f =~ "^(vm_insert_pages?|vm_map_pages(_zero)?|remap_pfn_range|remap_vmalloc_range(_partial)?|vmf_insert_.*|mmap_action_remap.*)$";
@@

f(...)

@fault@
struct vm_fault *vmf;
expression e;
position p;
@@

vmf->page@p = e

@script:python@
p << fault.p;
e << fault.e;
@@

add_site(p[0], "vmf->page", [str(e)])

@assign depends on matter || fault@
expression x, y;
position p;
@@

x@p = y

@script:python@
x << assign.x;
y << assign.y;
p << assign.p;
@@

here(p[0]).assigned.append((str(x), str(y), p[0].current_element, int(p[0].line)))

@call depends on matter || fault@
identifier f;
expression list es;
position p;
@@

f@p(es)

@script:python@
f << call.f;
es << call.es;
p << call.p;
@@

here(p[0]).calls.append((f, split(es), p[0].current_element, int(p[0].line)))
here(p[0]).call_keys.append(key(p[0]))

@ret depends on matter || fault@
expression e;
position p;
@@

return@p e;

@script:python@
e << ret.e;
p << ret.p;
@@

here(p[0]).returns.append((str(e), p[0].current_element))

@fun depends on matter || fault@
identifier f;
parameter list ps;
position p;
@@

f@p(ps) { ... }

@script:python@
f << fun.f;
ps << fun.ps;
p << fun.p;
@@

here(p[0]).params[f] = [re.findall(r"\w+", param)[-1]
                        for param in split(ps) if re.findall(r"\w+", param)]

@ops depends on matter || fault@
identifier t, s, m, fn;
position p;
@@

struct t s@p = { .m = fn, };

@script:python@
t << ops.t;
s << ops.s;
m << ops.m;
fn << ops.fn;
p << ops.p;
@@

here(p[0]).ops.append((t, s, m, fn))
here(p[0]).op_keys.append(key(p[0]))

// Freed when the last reference, or the last VMA, is gone.
@counted depends on matter || fault@
identifier f;
expression E;
position p;
@@

(
if (\(refcount_dec_and_test(...)\|atomic_dec_and_test(...)\|--E == 0\|!--E\)) {
	<+... f@p(...) ...+>
}
|
if (\(refcount_dec_and_test(...)\|atomic_dec_and_test(...)\|--E == 0\|!--E\))
	f@p(...);
)

@script:python@
p << counted.p;
@@

here(p[0]).counted.add((p[0].current_element, int(p[0].line)))

@counted_down depends on matter || fault@
identifier f;
expression E;
position p;
@@

\(E--;\|--E;\)
(
if (\(!E\|E == 0\)) {
	<+... f@p(...) ...+>
}
|
if (\(!E\|E == 0\))
	f@p(...);
)

@script:python@
p << counted_down.p;
@@

here(p[0]).counted.add((p[0].current_element, int(p[0].line)))

@raised depends on matter || fault@
expression E;
position p;
@@

E@p++

@script:python@
p << raised.p;
E << raised.E;
@@

here(p[0]).raised.append((p[0].current_element, compact(E)))

// Refused while a VMA is there.
@busy depends on raised@
expression x;
identifier f, m;
position p;
@@

if (x->m) { ... } else { <+... f@p(...) ...+> }

// What is not the memory yet goes if it is not to be.
@busy_new depends on raised@
expression x;
idexpression l;
identifier f, m;
position p;
@@

if (x->m) { <+... f@p(l, ...) ...+> } else { ... }

@script:python@
p << busy_new.p;
m << busy_new.m;
@@

here(p[0]).is_busy(p[0], m)

@script:python@
p << busy.p;
m << busy.m;
@@

here(p[0]).is_busy(p[0], m)

//----------------------------------------------------------
//  What the rules for patch mode can rewrite
//----------------------------------------------------------

@alloc depends on matter || fault@
expression x;
expression list es;
identifier f =~ "^(alloc_pages?(_node)?|__get_free_pages?|get_zeroed_page|alloc_pages_exact|v[mz]alloc(_(user|32|32_user|node))?)$";
type T;
position p;
@@

x@p = \(f(es)\|(T)f(es)\)

@script:python@
x << alloc.x;
f << alloc.f;
p << alloc.p;
@@

here(p[0]).allocs.append({"arg": str(x), "name": str(f), "fn": p[0].current_element,
                          "line": int(p[0].line), "key": key(p[0]),
                          "checked": False})

@checked@
expression alloc.x;
expression list alloc.es;
identifier alloc.f;
type T;
statement S;
position p;
@@

(
x@p = f(es);
if (x == NULL) S
|
x@p = (T)f(es);
if (x == NULL) S
|
x@p = f(es);
if (x == 0) S
|
x@p = f(es);
if (unlikely(!x)) S
|
if (!(x@p = f(es))) S
|
if ((x@p = f(es)) == NULL) S
|
x@p = f(es);
if (x) S
|
x@p = f(es);
WARN_ON_ONCE(!x);
if (x) S
)

@script:python@
p << checked.p;
@@

for record in here(p[0]).allocs:
    if record["line"] == int(p[0].line):
        record["checked"] = True

// An allocation failed: what was allocated before goes, and is not mapped yet.
@undo@
expression alloc.x;
expression list alloc.es;
identifier alloc.f, g;
type T;
position p;
@@

x = \(f(es)\|(T)f(es)\);
if (\(x == NULL\|x == 0\)) { <+... g@p(...) ...+> }

@script:python@
p << undo.p;
@@

here(p[0]).undone.add((p[0].current_element, int(p[0].line)))

@free depends on matter || fault@
identifier f =~ "^((__)?free_pages?|free_pages_exact|vfree)$";
expression list es;
position p;
@@

f@p(es)

@script:python@
f << free.f;
es << free.es;
p << free.p;
@@

here(p[0]).frees.append({"arg": split(es)[0], "name": f,
                         "fn": p[0].current_element, "line": int(p[0].line),
                         "key": key(p[0]), "editable": False})

@free_statement depends on free@
identifier f =~ "^((__)?free_pages?|free_pages_exact|vfree)$";
position p;
@@

f@p(...);

@script:python@
p << free_statement.p;
@@

for record in here(p[0]).frees:
    if record["line"] == int(p[0].line):
        record["editable"] = True

// The free is for memory that is there.
@guarded depends on free@
identifier f =~ "^((__)?free_pages?|free_pages_exact|vfree)$";
expression e;
type T;
position p;
@@

(
if (e) { <+... f@p(\(e\|(T)e\), ...); ...+> }
|
if (e) f@p(\(e\|(T)e\), ...);
)

@script:python@
p << guarded.p;
@@

here(p[0]).guarded.add((p[0].current_element, int(p[0].line)))

@form depends on site@
identifier f =~ "^(vm_insert_page|vm_map_pages(_zero)?|remap_pfn_range|remap_vmalloc_range)$";
identifier g =~ "^(vm_insert_page|remap_pfn_range|remap_vmalloc_range)$";
expression r;
statement S;
position p;
@@

(
return f@p(...);
|
r = f@p(...);
|
if (g@p(...)) S
|
if (g@p(...) < 0) S
)

@script:python@
p << form.p;
@@

if key(p[0]) in here(p[0]).sites:
    here(p[0]).sites[key(p[0])]["editable"] = True

@fault_form depends on fault@
struct vm_fault *vmf;
expression e;
position p;
@@

(
get_page(e);
vmf->page@p = e;
... when != vmf
return 0;
|
vmf->page@p = e;
\(get_page(e);\|get_page(vmf->page);\)
... when != vmf
return 0;
)

@script:python@
p << fault_form.p;
@@

file = here(p[0])
if key(p[0]) in file.sites:
    ops = [s for t, s, m, g in file.ops
           if m == "fault" and g == p[0].current_element]
    file.sites[key(p[0])]["editable"] = any(
        compact(rhs) == "&" + s and compact(lhs).endswith("->vm_ops")
        for s in ops for lhs, rhs, _, _ in file.assigned)

//----------------------------------------------------------
//  For report, org and context mode
//----------------------------------------------------------

@script:python depends on report@
p << site.p;
@@

coccilib.report.print_report(p[0], here(p[0]).message(key(p[0])))

@script:python depends on report@
p << fault.p;
@@

coccilib.report.print_report(p[0], here(p[0]).message(key(p[0])))

@script:python depends on org@
p << site.p;
@@

text = here(p[0]).message(key(p[0]))
coccilib.org.print_todo(p[0], text.replace("[", "@(").replace("]", ")"))

@script:python depends on org@
p << fault.p;
@@

text = here(p[0]).message(key(p[0]))
coccilib.org.print_todo(p[0], text.replace("[", "@(").replace("]", ")"))

@script:python show depends on context@
p << site.p;
@@

if here(p[0]).verdicts()[key(p[0])][0] == "kept":
    cocci.include_match(False)

@context_site depends on context && !patch && !org && !report && show@
identifier site.f;
expression list site.es;
position site.p;
@@

* f@p(es)

@context_fault depends on context && !patch && !org && !report@
struct vm_fault *vmf;
position fault.p;
expression e;
@@

* vmf->page@p = e

//----------------------------------------------------------
//  For patch mode
//----------------------------------------------------------

// A rule here matches nothing but what is to change, because the matches of
// all of them are combined.
@old depends on patch@
identifier f = {vm_insert_page};
expression list es;
position p : script:python() { converts(p) };
@@

f@p(es)

@script:python new@
f << old.f;
es << old.es;
to;
@@

coccinelle.to = cocci.make_expr(map_call(f, split(es)))

// The old call looks at the number of pages, too.
@old_array depends on patch@
identifier f = {vm_map_pages, vm_map_pages_zero};
expression list es;
position p : script:python() { converts(p) };
@@

f@p(es)

@script:python new_array@
f << old_array.f;
es << old_array.es;
to;
cond;
@@

coccinelle.to = cocci.make_expr(map_call(f, split(es)))
coccinelle.cond = cocci.make_expr(enough(f, split(es)))

// The old call sets flags in the VMA, too.
@old_flags depends on patch@
identifier f =~ "^(remap_pfn_range|remap_vmalloc_range)$";
expression list es;
position p : script:python() { converts(p) };
@@

f@p(es)

@script:python new_flags@
f << old_flags.f;
es << old_flags.es;
to;
flags;
@@

coccinelle.to = cocci.make_expr(map_call(f, split(es)))
coccinelle.flags = cocci.make_expr(
    f"vm_flags_set({split(es)[0]}, {FLAGS[str(f)]})")

@old_fault depends on patch@
struct vm_fault *vmf;
expression e;
position p : script:python() { converts(p) };
@@

vmf->page@p = e

@script:python new_fault@
e << old_fault.e;
vmf << old_fault.vmf;
to;
@@

coccinelle.to = cocci.make_expr(f"vmf_insert_usermap_page({vmf}, {e})")

@vm_ops depends on old_fault@
identifier s, fn;
position p : script:python() { converts_fault(p) };
@@

struct vm_operations_struct s@p = { .fault = fn, };

// The pages of converted memory are not PG_reserved.
@reserved depends on patch@
identifier r = {SetPageReserved, ClearPageReserved};
expression e;
position p : script:python() { converts_call(p) };
@@

r@p(e);

@old_alloc depends on patch@
expression x;
expression list es;
identifier f =~ "^(alloc_pages?(_node)?|__get_free_pages?|get_zeroed_page|alloc_pages_exact|v[mz]alloc(_(user|32|32_user|node))?)$";
type T;
position p : script:python() { converts_alloc(p) };
@@

x@p = \(f(es)\|(T)f(es)\)

@script:python set@
x << old_alloc.x;
f << old_alloc.f;
es << old_alloc.es;
p << old_alloc.p;
to;
@@

coccinelle.to = cocci.make_expr(
    set_call(f, str(x), split(es), here(p[0]).is_cast(x, p[0])))

@old_free depends on patch@
identifier f =~ "^((__)?free_pages?|free_pages_exact|vfree)$";
expression list es;
position p : script:python() { converts_free(p, False) };
@@

f@p(es)

@script:python clear@
f << old_free.f;
es << old_free.es;
to;
@@

coccinelle.to = cocci.make_stmt(clear_call(f, split(es)) + ";")

// The free takes NULL, and may get it.
@old_free_any depends on patch@
identifier f =~ "^((__)?free_pages?|free_pages_exact|vfree)$";
expression list es;
position p : script:python() { converts_free(p, True) };
@@

f@p(es)

@script:python clear_any@
f << old_free_any.f;
es << old_free_any.es;
to;
@@

coccinelle.to = cocci.make_stmt(
    f"if ({bare(split(es)[0])})\n{clear_call(f, split(es))};")

// From here on the positions are those of the old text.

@depends on patch@
identifier old.f;
expression list old.es;
expression new.to;
@@

- f(es)
+ to

@depends on patch@
identifier old_array.f;
expression list old_array.es;
expression new_array.to, new_array.cond;
expression r;
@@

(
- return f(es);
+ if (cond)
+	return to;
+ return -ENXIO;
|
- r = f(es);
+ r = -ENXIO;
+ if (cond)
+	r = to;
)

@depends on patch@
identifier old_flags.f;
expression list old_flags.es;
expression new_flags.to, new_flags.flags;
expression r;
statement S;
@@

(
+ flags;
  return
- f(es)
+ to
  ;
|
+ flags;
  r =
- f(es)
+ to
  ;
|
+ flags;
  if (
- f(es)
+ to
  ) S
|
+ flags;
  if (
- f(es)
+ to
  < 0) S
)

@depends on patch@
struct vm_fault *old_fault.vmf;
expression old_fault.e, new_fault.to;
@@

(
- get_page(e);
- vmf->page = e;
|
- vmf->page = e;
- \(get_page(e);\|get_page(vmf->page);\)
)
  ... when != vmf
- return 0;
+ return to;

@depends on patch@
struct vm_area_struct *vma;
identifier vm_ops.s;
@@

  vma->vm_ops = &s;
+ vm_flags_set(vma, VM_MIXEDMAP);

@depends on patch@
struct vm_area_desc *desc;
identifier vm_ops.s;
@@

  desc->vm_ops = &s;
+ vma_desc_set_flags(desc, VMA_MIXEDMAP_BIT);

@depends on patch@
identifier reserved.r;
expression reserved.e;
@@

(
- for (...; ...; ...) { r(e); }
|
- for (...; ...; ...) r(e);
)

@depends on patch@
identifier reserved.r;
expression reserved.e;
@@

- r(e);

@depends on patch@
expression old_alloc.x;
expression list old_alloc.es;
identifier old_alloc.f;
expression set.to;
type T;
statement S;
@@

(
  x = f(es);
  if (x == NULL) S
+ to;
|
  x = (T)f(es);
  if (x == NULL) S
+ to;
|
  x = f(es);
  if (x == 0) S
+ to;
|
  x = f(es);
  if (unlikely(!x)) S
+ to;
|
  if (!(x = f(es))) S
+ to;
|
  if ((x = f(es)) == NULL) S
+ to;
|
  x = f(es);
  if (x) {
+ to;
  ...
  }
|
  x = f(es);
  if (x)
+ {
+ to;
  S
+ }
|
  x = f(es);
  WARN_ON_ONCE(!x);
  if (x)
+ {
+ to;
  S
+ }
)

@depends on patch@
identifier old_free.f;
expression list old_free.es;
statement clear.to;
@@

+ to
  f(es);

@depends on patch@
identifier old_free_any.f;
expression list old_free_any.es;
statement clear_any.to;
@@

+ to
  f(es);

@has depends on patch@
@@

#include <linux/usermap.h>

@inc_uaccess depends on patch && (old || old_array || old_flags || old_fault) && !has@
@@

#include <linux/uaccess.h>
+ #include <linux/usermap.h>

@inc_types depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess@
@@

#include <linux/types.h>
+ #include <linux/usermap.h>

@inc_slab depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types@
@@

#include <linux/slab.h>
+ #include <linux/usermap.h>

@inc_module depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab@
@@

#include <linux/module.h>
+ #include <linux/usermap.h>

@inc_mm depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module@
@@

#include <linux/mm.h>
+ #include <linux/usermap.h>

@inc_kernel depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module && !inc_mm@
@@

#include <linux/kernel.h>
+ #include <linux/usermap.h>

@inc_gfp depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module && !inc_mm && !inc_kernel@
@@

#include <linux/gfp.h>
+ #include <linux/usermap.h>

@inc_interrupt depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module && !inc_mm && !inc_kernel && !inc_gfp@
@@

#include <linux/interrupt.h>
+ #include <linux/usermap.h>

@inc_init depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module && !inc_mm && !inc_kernel && !inc_gfp && !inc_interrupt@
@@

#include <linux/init.h>
+ #include <linux/usermap.h>

@inc_fs depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module && !inc_mm && !inc_kernel && !inc_gfp && !inc_interrupt && !inc_init@
@@

#include <linux/fs.h>
+ #include <linux/usermap.h>

@inc_vmalloc depends on patch && (old || old_array || old_flags || old_fault) && !has && !inc_uaccess && !inc_types && !inc_slab && !inc_module && !inc_mm && !inc_kernel && !inc_gfp && !inc_interrupt && !inc_init && !inc_fs@
@@

#include <linux/vmalloc.h>
+ #include <linux/usermap.h>
