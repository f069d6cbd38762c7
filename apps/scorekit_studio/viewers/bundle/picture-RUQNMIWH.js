function U(o){let r=o instanceof Uint8Array?o:new Uint8Array(o),i=new DataView(r.buffer,r.byteOffset,4).getUint32(0,!0),a=JSON.parse(new TextDecoder().decode(r.subarray(4,4+i))),s=4+i,d=new Map;for(let{name:u,type:l,bytes:t}of a.parts)d.set(u,{type:l,bytes:r.slice(s,s+t)}),s+=t;return{...a,parts:d}}function I(){let o=[];return{of(r){let i=URL.createObjectURL(new Blob([r.bytes],{type:r.type}));return o.push(i),i},free(){o.splice(0).forEach(r=>URL.revokeObjectURL(r))}}}var S=`:host { display: block; }
.viewer {
  --line: var(--st-border-color, #8884);
  --soft: var(--st-secondary-background-color, #f2f2f4);
  --ink: var(--st-text-color, #222);
  --paper: var(--st-background-color, #fff);
  --accent: var(--st-primary-color, #2563eb);
  --radius: var(--st-base-radius, 8px);
  font: 14px/1.4 var(--st-font, system-ui, sans-serif);
  color: var(--ink);
  display: flex; flex-direction: column; gap: 8px;
  min-width: 0;
}
.viewer * { box-sizing: border-box; }
.stage {
  position: relative; overflow: hidden; width: 100%;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--soft);
}
.stage:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}
.stage canvas, .stage img { display: block; }
.checker {
  background: repeating-conic-gradient(#d4d4d8 0 25%, #fafafa 0 50%) 0 0 / 20px 20px;
}
.paper { background: #fff; }
.night { background: #17181c; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .grow { flex: 1; }
.bar .note { opacity: .75; font-size: 13px; }
button {
  font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius);
  min-width: 34px; min-height: 34px; padding: 4px 9px; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
.trouble { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-left: 3px solid #c2410c; border-radius: var(--radius); background: var(--soft); }
.small .bar, .small details, .small .strip { display: none; }
details > summary { cursor: pointer; }
.layers { list-style: none; margin: 8px 0 0; padding: 0; max-height: 240px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 2px 12px; }
.layers label { display: flex; gap: 8px; align-items: center; padding: 3px 2px; min-height: 30px; cursor: pointer; }
.layers i { width: 16px; height: 16px; flex: none; border: 1px solid var(--line); border-radius: 3px; }
.layers span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { display: flex; gap: 3px; overflow-x: auto; }
.strip button { padding: 0; border: 2px solid transparent; border-radius: 4px; flex: 1 0 56px; background: none; line-height: 0; overflow: hidden; }
.strip button.now { border-color: var(--accent); }
.strip canvas { width: 100%; height: auto; display: block; }
video { width: 100%; max-height: 540px; display: block; background: #000; border-radius: var(--radius); }
.small video { max-height: 220px; }
audio { width: 100%; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figure { margin: 0; min-width: 0; }
.pair figcaption { font-size: 13px; opacity: .8; margin-bottom: 3px; }
.pair canvas { width: 100%; height: auto; display: block; touch-action: manipulation; border-radius: var(--radius); border: 1px solid var(--line); }
@media (max-width: 420px) { .pair { gap: 4px; } }
input[type="range"] { accent-color: var(--accent); width: 100%; min-height: 28px; margin: 0; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
iframe { border: 1px solid var(--line); border-radius: var(--radius); width: 100%; background: var(--paper); }
`;var C=new WeakMap;function D(o,r){return({data:i,parentElement:a})=>{let s=U(i),d=C.get(a);if(d?.stamp===s.stamp)return d.view?.retheme?.(),d.end;d?.end();let u=Object.assign(document.createElement("style"),{textContent:S}),l=m("div",{className:"viewer"});l.dataset.viewer=o,s.small&&l.classList.add("small"),a.append(u,l);let t={stamp:s.stamp,view:null,gone:!1};t.end=()=>{t.gone=!0,t.view?.end?.(),t.view=null,u.remove(),l.remove(),C.get(a)===t&&C.delete(a)},C.set(a,t);let h=performance.now();return Promise.resolve().then(()=>r(l,s)).then(c=>{if(t.gone)return c?.end?.();t.view=c,l.dataset.loaded=String(Math.round(performance.now()-h))}).catch(c=>T(l,c)),t.end}}function T(o,r){let i=r?.sentence??"This file cannot be drawn; it can still be downloaded.";o.dataset.error=r?.message??String(r),o.replaceChildren(m("p",{className:"trouble",role:"alert",textContent:i}))}function W(o){return Object.assign(new Error(o),{sentence:o})}function m(o,r={},...i){let a=document.createElement(o);for(let[s,d]of Object.entries(r))s in a&&s!=="role"?a[s]=d:a.setAttribute(s,d);return a.append(...i),a}function M(o,r,i){let a=m("button",{type:"button",title:r,textContent:o});return a.setAttribute("aria-label",r),a.addEventListener("click",i),a}var Y=40;function j(o,{width:r,height:i,label:a,small:s,most:d=560,least:u=1},l){let t=m("div",{className:"stage",tabIndex:0});t.setAttribute("role","group"),t.setAttribute("aria-label",`${a}. Zoom with plus and minus, move with the arrow keys, 0 fits it.`),t.style.touchAction="pan-y";let h=m("span",{className:"note"});h.setAttribute("aria-live","polite");let c=1,g=1,x=0,w=0,A=!1;function $(){let e=t.clientWidth||300,n=Math.min(e/r,(s?220:d)/i);g=n>=2&&u>=2&&u<100?Math.floor(Math.min(n,u)):Math.min(n,Math.max(1,u)),t.style.height=`${Math.round(Math.max(i*g,s?60:120))+2}px`}function y(){let e=r*g*c,n=i*g*c,p=t.clientWidth,f=t.clientHeight;x=e<=p?(p-e)/2:Math.min(0,Math.max(p-e,x)),w=n<=f?(f-n)/2:Math.min(0,Math.max(f-n,w)),t.style.touchAction=c>1?"none":"pan-y",t.style.cursor=e>p||n>f?"grab":"",h.textContent=`${Math.round(100*g*c)} %`,l(e,n,x,w)}function b(e,n=t.clientWidth/2,p=t.clientHeight/2){let f=Math.min(Y/g,Math.max(.25,c*e));x=n-(n-x)*f/c,w=p-(p-w)*f/c,c=f,A=!0,y()}function k(e,n){x+=e,w+=n,y()}function L(){c=1,A=!1,$(),y()}t.addEventListener("wheel",e=>{if(!e.ctrlKey&&!e.metaKey)return;e.preventDefault();let n=t.getBoundingClientRect();b(Math.exp(-e.deltaY/300),e.clientX-n.left,e.clientY-n.top)},{passive:!1}),t.addEventListener("keydown",e=>{let n={"+":()=>b(1.25),"=":()=>b(1.25),"-":()=>b(.8),0:L,ArrowLeft:()=>k(40,0),ArrowRight:()=>k(-40,0),ArrowUp:()=>k(0,40),ArrowDown:()=>k(0,-40)};e.ctrlKey||e.metaKey||e.altKey||!n[e.key]||e.key.startsWith("Arrow")&&c<=1||(e.preventDefault(),n[e.key]())});let v=new Map;t.addEventListener("pointerdown",e=>{v.set(e.pointerId,[e.clientX,e.clientY]),c>1&&t.setPointerCapture(e.pointerId)}),t.addEventListener("pointermove",e=>{let n=v.get(e.pointerId);if(!n)return;let p=[e.clientX,e.clientY];if(v.size===2){let f=[...v].find(([E])=>E!==e.pointerId)[1],z=t.getBoundingClientRect(),O=E=>Math.hypot(E[0]-f[0],E[1]-f[1])||1;b(O(p)/O(n),(p[0]+f[0])/2-z.left,(p[1]+f[1])/2-z.top)}else c>1&&k(p[0]-n[0],p[1]-n[1]);v.set(e.pointerId,p)});for(let e of["pointerup","pointercancel"])t.addEventListener(e,n=>v.delete(n.pointerId));t.addEventListener("dblclick",e=>{let n=t.getBoundingClientRect();A?L():b(2.5,e.clientX-n.left,e.clientY-n.top)}),t.addEventListener("dragstart",e=>e.preventDefault());let R=m("div",{className:"bar",role:"toolbar"});R.append(M("\u2212","Zoom out",()=>b(.8)),M("+","Zoom in",()=>b(1.25)),M("Fit","Fit to view",L),h),o.append(t,R);let N=new ResizeObserver(()=>{A||$(),y()});return N.observe(t),L(),{frame:t,bar:R,draw:y,end:()=>N.disconnect()}}function B(o,r=["checker","paper","night"]){let i={checker:"checkerboard",paper:"white",night:"dark"},a=0,s=M("\u25D0","",()=>d(a+1));function d(u){o.classList.remove(r[a]),a=u%r.length,o.classList.add(r[a]);let l=`Background: ${i[r[a]]}. Press for ${i[r[(a+1)%r.length]]}.`;s.title=l,s.setAttribute("aria-label",l)}return d(0),s}async function P(o,r){let i=m("img",{alt:r,draggable:!1});i.src=o;try{await i.decode()}catch{throw W("This picture cannot be decoded.")}return i}var ee=D("picture",async(o,r)=>{let i=I(),a=await P(i.of(r.parts.get("picture")),r.alt);a.style.cssText="position:absolute;left:0;top:0;max-width:none";let{naturalWidth:s,naturalHeight:d}=a,u=Math.max(s,d)<=160?8:1.4,l=j(o,{width:s,height:d,label:r.alt,small:r.small,least:u},(t,h,c,g)=>{a.style.width=`${t}px`,a.style.height=`${h}px`,a.style.transform=`translate(${c}px, ${g}px)`,a.style.imageRendering=t>=2*s?"pixelated":"auto"});return l.frame.append(a),r.transparent&&l.bar.append(B(l.frame)),l.bar.append(m("span",{className:"grow"}),m("span",{className:"note",textContent:r.note??""})),l.draw(),{end:()=>(l.end(),i.free())}});export{P as decoded,ee as default};
